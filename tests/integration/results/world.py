"""Workflows and executions in `downloading`, with parts that are bytes in memory."""

import asyncio
import hashlib
import io
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO
from uuid import UUID, uuid4

from typing_extensions import override

from shared.db.downloads import Downloads
from shared.db.pool import Database
from shared.db.results.load import ResultLoader
from shared.db.results.order import DeclaredColumn, LoadedResult, LoadOrder
from shared.domain.claims import DownloadClaim
from shared.domain.ids import new_uuid


class MemoryPart:
    """A part of a result."""

    is_whole = True

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.sha256 = hashlib.sha256(data).digest()

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)

    async def more_than(self, size: int) -> None:
        """It is whole."""


class GatedPart(MemoryPart):
    """A part that stops COPY, which alone reads large pieces, until the test lets it go on."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._copied, self._open = threading.Event(), threading.Event()

    @override
    def open(self) -> BinaryIO:
        return _GatedFile(self.data, self._copied, self._open)

    async def is_being_copied(self) -> None:
        assert await asyncio.to_thread(self._copied.wait, 10)

    def go_on(self) -> None:
        self._open.set()


class WatchedPart(MemoryPart):
    """A part that knows which threads have opened it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.readers = set[int]()

    @override
    def open(self) -> BinaryIO:
        self.readers.add(threading.get_ident())
        return super().open()


class _GatedFile(io.BytesIO):
    def __init__(self, data: bytes, copied: threading.Event, gate: threading.Event) -> None:
        super().__init__(data)
        self._copied, self._gate = copied, gate

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > 100_000:
            self._copied.set()
            self._gate.wait(10)
        return super().read(size)


async def everything(stream: AsyncIterator[bytes]) -> bytes:
    """All bytes of an export."""
    return b"".join([data async for data in stream])


@dataclass
class World:
    """One instance with what its executions need."""

    database: Database
    lease: timedelta = timedelta(seconds=60)
    numbers: dict[str, int] = field(default_factory=dict)

    async def begin(self) -> None:
        async with self.database.transaction() as connection:
            credential = new_uuid()
            await connection.execute(
                "insert into credentials (id, name, region, refresh_token_ciphertext,"
                " refresh_token_key_id, created_by) values ($1, 'login', 'NA', '', 'k', 'test')",
                credential,
            )
            account = await connection.fetchval(
                "insert into amc_accounts (public_id, entity_id, marketplace_id, name,"
                " credential_id) values ($1, 'ENTITY1', 'M1', 'account', $2) returning id",
                new_uuid(),
                credential,
            )
            instance = await connection.fetchval(
                "insert into amc_instances (amc_instance_id, account_id, name)"
                " values ('amctest', $1, 'instance') returning id",
                account,
            )
        self.numbers = {"account": account, "instance": instance}

    async def workflow(self, name: str = "spend by week") -> UUID:
        """A saved workflow."""
        workflow, definition = new_uuid(), f"amcflow_{uuid4().hex}"
        async with self.database.transaction() as connection:
            await connection.execute(
                "insert into workflows (id, name, amc_workflow_id, created_by)"
                " values ($1, $2, $3, 'test')",
                workflow,
                name,
                definition,
            )
            await connection.execute(
                "insert into workflow_definitions (amc_workflow_id, workflow_id, sql_query)"
                " values ($1, $2, 'select 1')",
                definition,
                workflow,
            )
        return workflow

    async def claim(self, workflow: UUID) -> DownloadClaim:
        """An execution whose result is ready, claimed."""
        execution = await self.execution(workflow)
        return await Downloads(self.database, self.lease).claim_for_download(execution)

    async def claim_again(self, claim: DownloadClaim) -> DownloadClaim:
        """By another worker, after the lease of the first ran out."""
        return await Downloads(self.database, self.lease).claim_for_download(claim.execution_id)

    async def execution(self, workflow: UUID) -> UUID:
        """An execution whose result is ready."""
        execution = new_uuid()
        await self.database.execute(
            "insert into workflow_executions (id, workflow_id, amc_workflow_id, instance_id,"
            " account_id, state, owner, lane, turn, request_id, time_window_type, time_zone,"
            " deadline_seconds, amc_execution_id, admitted_at, submitted_at, lease_until)"
            " select $1, w.id, w.amc_workflow_id, $3, $4, 'downloading', 'test', 'test', 1, 'r',"
            " 'MOST_RECENT_WEEK', 'UTC', 3600, $5, clock_timestamp(), clock_timestamp(),"
            " clock_timestamp() from workflows w where w.id = $2",
            execution,
            workflow,
            self.numbers["instance"],
            self.numbers["account"],
            execution.hex,
        )
        return execution

    async def load(
        self,
        workflow: UUID,
        *parts: bytes,
        declared: Sequence[tuple[str, str]] = (),
        own_table_bytes: int = 64 * 1024 * 1024,
    ) -> LoadedResult:
        """Claim an execution and load these files for it."""
        return await self.load_claimed(
            await self.claim(workflow), *parts, declared=declared, own_table_bytes=own_table_bytes
        )

    async def load_claimed(
        self,
        claim: DownloadClaim,
        *parts: bytes,
        declared: Sequence[tuple[str, str]] = (),
        own_table_bytes: int = 64 * 1024 * 1024,
    ) -> LoadedResult:
        """Load these files under a claim."""
        order = LoadOrder(
            claim=claim,
            parts=[MemoryPart(part) for part in parts],
            declared=[DeclaredColumn(*column) for column in declared],
            output_location="s3://bucket/key",
        )
        return await ResultLoader(self.database, own_table_bytes=own_table_bytes).load(order)

    async def rows(self, loaded: LoadedResult) -> list[tuple[object, ...]]:
        """All rows of a result without `e`."""
        records = await self.database.fetch(
            f'select t.* from results."{loaded.table_name}" t join workflow_executions x'
            " on x.no = t.e where x.id = $1 order by n",
            loaded.execution_id,
        )
        return [tuple(record)[1:] for record in records]

    async def relations(self) -> list[str]:
        """All tables and views of schema results."""
        rows = await self.database.fetch(
            "select relname::text from pg_class where relnamespace = 'results'::regnamespace"
            " and relkind in ('r', 'v') order by 1"
        )
        return [row["relname"] for row in rows]
