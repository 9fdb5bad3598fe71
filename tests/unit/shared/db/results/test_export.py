"""What is asked of the server for an export, and when."""

import asyncio
import gc
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pyarrow as pa
import pytest

from shared.db.pool import Database
from shared.db.results import export, parquet
from shared.db.results.export import PLAIN, Rows
from shared.db.results.identifiers import ColumnKey
from shared.db.results.stored import StoredResult
from shared.db.results.versions import StoredColumn
from shared.domain.errors import NotFound

MEAN = 10
PATIENCE = 10.0


@dataclass
class Server:
    """One that has rows up to `last`, and writes a number for each."""

    last: int
    asked: list[tuple[int, int]] = field(default_factory=list)
    was_asked_again: threading.Event = field(default_factory=threading.Event)

    @asynccontextmanager
    async def acquire(self, **_options: Any) -> AsyncIterator["Server"]:
        yield self

    async def copy_from_query(
        self, query: str, *, output: Callable[[bytes], Awaitable[None]], **_options: Any
    ) -> str:
        after, last = (int(found) for found in re.findall(r"n > (\d+) and n <= (\d+)", query)[0])
        self.asked.append((after, last))
        if len(self.asked) > 1:
            self.was_asked_again.set()
        rows = range(after + 1, min(last, self.last) + 1)
        await output("".join(f"{number}\n" for number in rows).encode())
        return f"COPY {len(rows)}"

    @property
    def database(self) -> Database:
        return Database(cast("asyncpg.Pool", self), uuid4(), acquire_timeout=1)

    def rows(self, count: int) -> Rows:
        return Rows(self.database, result_of(count), "x", PLAIN)


def result_of(count: int) -> StoredResult:
    column = StoredColumn(1, ColumnKey("x", 1), "x", "bigint")
    return StoredResult(uuid4(), 1, "x1", count, MEAN * count, (column,), replaced_characters=False)


def numbers(data: bytes) -> list[int]:
    return [int(line) for line in data.splitlines()]


async def test_what_is_missing_is_told_after_the_windows_before_it() -> None:
    windows = Server(last=15).rows(30).windows(10 * MEAN)

    assert numbers(await anext(windows)) == list(range(1, 11))
    with pytest.raises(NotFound):
        await anext(windows)


async def test_a_large_window_is_several_statements_and_one_piece() -> None:
    server = Server(last=40_000)

    pieces = [piece async for piece in server.rows(40_000).windows(40_000 * MEAN)]

    assert [numbers(piece) for piece in pieces] == [list(range(1, 40_001))]
    assert server.asked == [(0, 16_000), (16_000, 32_000), (32_000, 40_000)]


async def test_a_huge_result_has_one_statement_for_each_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export, "_MOST_STATEMENTS", 2)
    server = Server(last=40_000)

    async for _ in server.rows(40_000).windows(20_000 * MEAN):
        pass

    assert server.asked == [(0, 20_000), (20_000, 40_000)]


async def test_a_row_group_that_nobody_waits_for_any_more_fails_in_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    begun = threading.Event()

    def broken_table(_data: bytes, _schema: pa.Schema) -> pa.Table:
        begun.set()
        raise pa.ArrowInvalid("no")

    monkeypatch.setattr(parquet, "_table", broken_table)
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 10 * MEAN)
    stream = parquet.export_parquet(Server(last=20).database, result_of(20))

    await anext(stream)
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    await stream.aclose()
    del stream
    gc.collect()
    await asyncio.sleep(0)

    assert told == []


async def test_the_next_rows_are_asked_for_while_a_row_group_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, tables = Server(last=20), parquet._table

    def table_afterwards(data: bytes, schema: pa.Schema) -> pa.Table:
        assert server.was_asked_again.wait(PATIENCE)
        return tables(data, schema)

    monkeypatch.setattr(parquet, "_table", table_afterwards)
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 10 * MEAN)
    stream = parquet.export_parquet(server.database, result_of(20))

    data = b"".join([piece async for piece in stream])

    assert pa.parquet.read_table(pa.BufferReader(data)).column("x").to_pylist() == [*range(1, 21)]
