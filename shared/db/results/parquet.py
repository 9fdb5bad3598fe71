"""Streams a result as Parquet in constant memory, one row group for each window of rows.

A numeric becomes a decimal of the digits it needs, or text where 38 do not suffice. An export
that breaks off has no footer, so that no reader takes it for a whole file.
"""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import asyncpg

# Arrow reads it when it is loaded, and takes no other word for what the Parquet writer uses. What
# is freed goes back to the system then; Arrow's own pool would keep as much again.
os.putenv("ARROW_DEFAULT_MEMORY_POOL", "system")
import pyarrow as pa
from pyarrow import csv, parquet

from shared.db.pool import Database
from shared.db.results.export import PLAIN, Rows, key_names
from shared.db.results.identifiers import in_results, quote_ident
from shared.db.results.stored import StoredResult, gone
from shared.db.results.versions import StoredColumn

ROW_GROUP_BYTES: Final = 3 * 1024 * 1024
"""Of CSV. Readers want row groups large, but what makes one needs some fifteen times its bytes."""
_MAX_DIGITS: Final = 38
_SCAN_SECONDS: Final = 600.0
_TYPES: Final[dict[str, pa.DataType]] = {
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "boolean": pa.bool_(),
}


async def export_parquet(database: Database, result: StoredResult) -> AsyncIterator[bytes]:
    """The file, columns named as in JSON lines (`key_names`)."""
    types = await _types_of(database, result)
    schema = pa.schema(list(zip(key_names(result.columns), types, strict=True)))
    selected = ", ".join(quote_ident(column.name) for column in result.columns)
    rows = Rows(database, result, selected, PLAIN)
    in_thread = asyncio.get_running_loop().run_in_executor
    # Always the same one: each thread that allocates memory keeps some of it.
    thread = ThreadPoolExecutor(1, thread_name_prefix="parquet")
    try:
        file = await in_thread(thread, _Writer, schema)
        coming = in_thread(thread, file.head)
        try:
            async for data in rows.windows(ROW_GROUP_BYTES):
                # Made while this one is sent and the next window is fetched.
                ready, coming = await coming, in_thread(thread, file.row_group, data)
                yield ready
            yield await coming
            yield await in_thread(thread, file.footer)
        finally:
            coming.add_done_callback(_unheard)
            thread.submit(file.abandon)
    finally:
        thread.shutdown(wait=False)


def _unheard(coming: asyncio.Future[bytes]) -> None:
    """What became of the last row group matters to nobody who has left, nor twice."""
    if not coming.cancelled():
        coming.exception()


class _Writer:
    """A Parquet file whose bytes are taken away as they are written."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._written = io.BytesIO()
        self._sink = pa.PythonFile(self._written, mode="w")
        self._writer = parquet.ParquetWriter(self._sink, schema, compression="zstd")

    def head(self) -> bytes:
        """The first bytes."""
        return self._taken()

    def row_group(self, data: bytes) -> bytes:
        """The bytes of these CSV rows."""
        self._writer.write_table(_table(data, self._schema))
        return self._taken()

    def footer(self) -> bytes:
        """The last bytes."""
        self._writer.close()
        return self._taken()

    def abandon(self) -> None:
        """Close without anybody reading what is left."""
        self._writer.close()

    def _taken(self) -> bytes:
        data = self._written.getvalue()
        self._written.seek(0)
        self._written.truncate()
        return data


def _table(data: bytes, schema: pa.Schema) -> pa.Table:
    options: dict[str, Any] = {
        "read_options": csv.ReadOptions(
            column_names=schema.names, use_threads=False, block_size=max(len(data), 1)
        ),
        "parse_options": csv.ParseOptions(newlines_in_values=True),
        "convert_options": csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    }
    return csv.read_csv(io.BytesIO(data), **options)


async def _types_of(database: Database, result: StoredResult) -> list[pa.DataType]:
    numerics = [column for column in result.columns if column.sql_type == "numeric"]
    decimals = await _decimals(database, result, numerics) if numerics else {}
    return [
        decimals.get(column.name, _TYPES.get(column.sql_type, pa.string()))
        for column in result.columns
    ]


async def _decimals(
    database: Database, result: StoredResult, columns: Sequence[StoredColumn]
) -> dict[str, pa.DataType]:
    """By name, for the digits that the values really have."""
    facts = ", ".join(
        f"max(scale({name})), max(length(trunc(abs({name}))::text)),"
        f" bool_or(scale({name}) is null and {name} is not null)"
        for name in (quote_ident(column.name) for column in columns)
    )
    try:
        async with database.transaction() as connection:
            await connection.execute("set local statement_timeout = '10min'")
            rows = await connection.fetch(
                f"select {facts} from only {in_results(result.table_name)} where e = $1",  # noqa: S608 - quoted
                result.execution_no,
                timeout=_SCAN_SECONDS,
            )
    except asyncpg.UndefinedTableError as error:
        raise gone() from error
    return {
        column.name: _decimal(*rows[0][3 * place : 3 * place + 3])
        for place, column in enumerate(columns)
    }


def _decimal(scale: int | None, whole_digits: int | None, has_other: bool | None) -> pa.DataType:
    digits = (scale or 0) + (whole_digits or 1)
    return pa.string() if has_other or digits > _MAX_DIGITS else pa.decimal128(digits, scale or 0)
