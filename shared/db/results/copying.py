"""Lets COPY read the parts of one result into one table, and checks what it took."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import asyncpg

from shared.db.pool import Connection
from shared.db.results.breaks import BAD_BYTES, TYPE_BREAKS, broken_column, copy_errors
from shared.db.results.identifiers import in_results, quote_ident
from shared.db.results.plan import Plan
from shared.db.results.source import CsvFile
from shared.db.results.types import EMPTY, TEXT
from shared.db.results.versions import StoredColumn
from shared.observability.stop_points import StopPoint, reach

_PIECES_PER_TRIP: Final = 4


class TypeBroken(Exception):
    """A value does not fit its column; the column is None if Postgres' words do not tell."""

    def __init__(self, column: str | None, value: str) -> None:
        super().__init__(column, value)
        self.column = column
        self.value = value


class BadBytes(Exception):
    """Some bytes are not UTF-8, or NUL."""


@dataclass(frozen=True, slots=True)
class Copying:
    """The copying of one attempt; `columns` are those of the table."""

    connection: Connection
    execution_no: int
    files: Sequence[CsvFile]
    table: str
    columns: Sequence[StoredColumn]
    freeze: bool
    is_replacing: bool
    timeout: float

    async def run(self) -> dict[int, int]:
        """All parts in order; the number of rows by the number of the part."""
        return {file.number: await self._copy(file) for file in self.files}

    async def check(self, plan: Plan, rows: int) -> None:
        """TypeBroken if a column is not as empty as it looked; needs the table's index on n."""
        # From the last row on, so that an index which cannot order finds it, too.
        highest = await self._first_value(
            "select max(n) from only {table} where e = $1 and n >= $2", rows
        )
        if (highest or 0) != rows:
            raise RuntimeError(f"COPY counted {rows} rows, but the last one has number {highest}")
        if not plan.is_whole_sample:
            await self._check_empty_columns()

    async def _copy(self, file: CsvFile) -> int:
        by_key = {column.key: column for column in self.columns}
        ordered = [by_key[key] for key in file.keys]
        typed = [column.name for column in ordered if column.sql_type != TEXT]
        try:
            with copy_errors(self.table, file.number):
                status = await self.connection.copy_to_table(
                    self.table,
                    schema_name="results",
                    columns=[column.name for column in ordered],
                    source=_in_thread(file, replacing=self.is_replacing),
                    format="csv",
                    header=True,
                    freeze=self.freeze,
                    force_null=typed or None,
                    timeout=self.timeout,
                )
        except asyncpg.DataError as error:
            if error.sqlstate == BAD_BYTES and not self.is_replacing:
                raise BadBytes from error
            if error.sqlstate in TYPE_BREAKS and typed:
                raise TypeBroken(*broken_column(error, typed)) from error
            raise
        return int(status.split()[-1])

    async def _check_empty_columns(self) -> None:
        """A column that looked empty in the sample must be, or the view would hide its values."""
        for column in self.columns:
            if column.data_type != EMPTY:
                continue
            name = quote_ident(column.name)
            value = await self._first_value(
                f"select {name} from only {{table}} where e = $1 and {name} <> '' limit 1"  # noqa: S608 - quoted
            )
            if value is not None:
                raise TypeBroken(column.name, str(value))

    async def _first_value(self, query: str, *more: int) -> object:
        return await self.connection.fetchval(
            query.replace("{table}", in_results(self.table)),
            self.execution_no,
            *more,
            timeout=self.timeout,
        )


async def _in_thread(file: CsvFile, *, replacing: bool) -> AsyncIterator[bytes]:
    """The bytes of a file, read beside the event loop unless they are few, some pieces a trip;
    waits where the rest has to arrive first."""
    chunks = file.chunks(replacing=replacing)
    while True:
        seen = file.part.size
        pieces = _some(chunks) if file.is_small else await asyncio.to_thread(_some, chunks)
        for piece in filter(None, pieces):
            yield piece
            reach(StopPoint.DOWNLOAD_COPYING)
        if pieces and not pieces[-1]:
            await file.part.more_than(seen)
        elif len(pieces) < _PIECES_PER_TRIP:
            return


def _some(chunks: Iterator[bytes]) -> list[bytes]:
    """Up to the first empty one."""
    pieces = []
    for piece in islice(chunks, _PIECES_PER_TRIP):
        pieces.append(piece)
        if not piece:
            break
    return pieces
