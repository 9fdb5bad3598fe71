"""Makes the rows of a result and its `completed` one transaction.

COPY takes the bytes as they come; the execution's number and the row's place are column defaults.
A small result goes into the table it shares with others of its version; a big one gets a table of
its own that inherits from that one as the last statement before the commit, because a waiting
INHERIT would hold up other loads. A type that does not hold costs a second load from the spool,
never a change of a table that others read. See docs/adr/0007.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from shared.db.pool import Connection, Database
from shared.db.queries import load as load_queries
from shared.db.results.breaks import copy_errors
from shared.db.results.copying import BadBytes, Copying, TypeBroken
from shared.db.results.identifiers import in_results
from shared.db.results.order import LoadedResult, LoadOrder, NotWhole
from shared.db.results.plan import Plan, make_plan
from shared.db.results.source import CsvFile, open_files
from shared.db.results.versions import (
    NUMBER,
    StoredColumn,
    Version,
    find_version,
    fingerprint_of,
    pick_version,
    remembered_types,
    versions_of,
)
from shared.db.results.views import refresh_view
from shared.domain.errors import DatabaseUnavailable, StaleTransition
from shared.observability.stop_points import StopPoint, reach

_SQL = load_queries("results")

OWN_TABLE_BYTES: Final = 64 * 1024 * 1024
"""From this size on a load into a table of its own is faster and its removal costs nothing."""
_LOCK_WAIT: Final = timedelta(seconds=60)
"""For another load that is making the same version; such loads are small or at their end."""
_IDLE: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ResultLoader:
    """Loads results; `time_limit` bounds every statement of a load."""

    database: Database
    own_table_bytes: int = OWN_TABLE_BYTES
    time_limit: timedelta = timedelta(hours=1)

    async def load(self, order: LoadOrder) -> LoadedResult:
        """StaleTransition if the claim was lost; ResultMalformed or ResultTooLarge if the result
        cannot become rows; NotWhole if its parts still arrive, and it had better wait for them.
        After any error nothing of it is left."""
        files = await asyncio.to_thread(open_files, order.parts)
        load = _Load(order, files, self.time_limit.total_seconds(), self.own_table_bytes)
        while (loaded := await self._attempt(load)) is None:
            pass
        reach(StopPoint.DOWNLOAD_COMMITTED)
        if load.is_view_stale:
            with suppress(DatabaseUnavailable):
                # It is shown late then: a timer looks for views that are behind.
                await refresh_view(self.database, order.claim.workflow_id)
        return loaded

    async def _attempt(self, load: "_Load") -> LoadedResult | None:
        """A transaction of its own, which leaves nothing if the next one has to do it otherwise."""
        try:
            async with self.database.transaction() as connection:
                loaded = await load.run(connection)
                reach(StopPoint.DOWNLOAD_BEFORE_COMMIT)
        except (TypeBroken, BadBytes, _VersionDiffers) as reason:
            load.learn(reason)
            return None
        return loaded


class _VersionDiffers(Exception):
    """Another load made the version meanwhile, with columns of other names."""


@dataclass(slots=True)
class _Load:
    """One load: what it has learned, and the transaction of its present attempt."""

    order: LoadOrder
    files: Sequence[CsvFile]
    timeout: float
    own_table_bytes: int
    connection: Connection = field(init=False)
    versions: Sequence[Version] = ()
    plan: Plan | None = None
    is_replacing: bool = False
    is_view_stale: bool = False

    async def run(self, connection: Connection) -> LoadedResult:
        """Rows and `completed`, as planned."""
        self.connection = connection
        await self._begin()
        self.versions = await versions_of(connection, self.order.claim.workflow_id)
        if self.plan is None:
            self.plan = await asyncio.to_thread(
                make_plan, self.files, self.order.declared, remembered_types(self.versions)
            )
        size = max(self.order.size_bytes, self.order.announced_bytes)
        is_own = size >= self.own_table_bytes
        return await (self._into_own_table if is_own else self._into_shared_table)(self.plan)

    def learn(self, reason: Exception) -> None:
        """Do it otherwise the next time."""
        if isinstance(reason, BadBytes):
            self.is_replacing = True
        elif isinstance(reason, TypeBroken) and self.plan is not None:
            self.plan = self.plan.after_break(reason.column, reason.value)

    async def _begin(self) -> None:
        """Lift the pool's limits, count from 1, and do not start what cannot be finished."""
        limits = (timedelta(seconds=self.timeout), _LOCK_WAIT, _IDLE)
        claim = self.order.claim
        begun = await self.connection.fetchrow(
            _SQL["begin_load"],
            claim.execution_id,
            claim.fence,
            *(f"{limit.total_seconds() * 1000:.0f}" for limit in limits),
            f"amcflow load {claim.execution_id}",
            claim.no,
        )
        if begun is None or not begun["is_held"]:
            raise StaleTransition(f"Execution {claim.execution_id} is ours no more.")
        if not begun["has_numbers"]:
            await self.connection.execute(_SQL["make_numbers"])
            await self.connection.execute(_SQL["start_numbers"], claim.no)

    async def _into_shared_table(self, plan: Plan) -> LoadedResult:
        version = await self._pick_version(plan)
        copying = self._copying(version.table_name, version.columns)
        counts = await copying.run()
        await self.order.arrived()
        if self.order.size_bytes >= self.own_table_bytes:
            raise NotWhole("The parts came packed, and are larger than they looked.")
        await copying.check(plan, sum(counts.values()))
        return await self._complete(version.table_name, version, plan, counts)

    async def _into_own_table(self, plan: Plan) -> LoadedResult:
        claim = self.order.claim
        table = f"x{claim.no}"
        columns = self._columns_of(plan)
        definitions = "".join(f", {column.definition}" for column in columns)
        await self._execute(
            f"create table {in_results(table)} ("
            f"e bigint not null default {claim.no} check (e = {claim.no}), "
            f"{NUMBER}{definitions})"
        )
        copying = self._copying(table, columns, freeze=True)
        counts = await copying.run()
        await self.order.arrived()
        await self._execute(
            f"create index on {in_results(table)} using brin (n) with (pages_per_range = 32)"
        )
        # Pages need to know of n only, and a few of its values tell where the others are;
        # autovacuum looks at all columns in its own time.
        await self._execute(
            f"alter table {in_results(table)} alter n set statistics 10;"
            f" analyze {in_results(table)} (n)"
        )
        await copying.check(plan, sum(counts.values()))
        version = await self._pick_version(plan)
        if version.columns != columns:
            raise _VersionDiffers
        loaded = await self._complete(table, version, plan, counts)
        await self._execute(
            f"alter table {in_results(table)} inherit {in_results(version.table_name)}"
        )
        return loaded

    def _copying(
        self, table: str, columns: Sequence[StoredColumn], *, freeze: bool = False
    ) -> Copying:
        return Copying(
            self.connection,
            self.order.claim.no,
            self.files,
            table,
            columns=columns,
            freeze=freeze,
            is_replacing=self.is_replacing,
            timeout=self.timeout,
        )

    def _columns_of(self, plan: Plan) -> tuple[StoredColumn, ...]:
        """As the version has them that will be the parent, if it is there already."""
        known = find_version(self.versions, fingerprint_of(plan.columns))
        if known is not None:
            return known.columns
        return tuple(
            StoredColumn(position, column.key, column.name, column.data_type)
            for position, column in enumerate(plan.columns, start=1)
        )

    async def _pick_version(self, plan: Plan) -> Version:
        known = find_version(self.versions, fingerprint_of(plan.columns))
        if known is not None:
            return known
        claim = self.order.claim
        with copy_errors():
            return await pick_version(
                self.connection, claim.workflow_id, claim.workflow_no, plan.columns
            )

    async def _complete(
        self, table: str, version: Version, plan: Plan, counts: Mapping[int, int]
    ) -> LoadedResult:
        order, rows = self.order, sum(counts.values())
        positions = {column.key: column.position for column in version.columns}
        numbers = range(1, len(order.parts) + 1)
        completed = await self.connection.fetchrow(
            _SQL["complete"],
            order.claim.execution_id,
            order.claim.fence,
            list(numbers),
            [part.size for part in order.parts],
            [part.sha256 for part in order.parts],
            [counts.get(number, 0) for number in numbers],
            order.claim.no,
            version.id,
            table,
            [positions[column.key] for column in plan.columns],
            self.is_replacing,
            rows,
            order.size_bytes,
            order.output_location,
        )
        if completed is None:
            raise StaleTransition(f"Execution {order.claim.execution_id} is ours no more.")
        self.is_view_stale = completed["is_view_stale"]
        return LoadedResult(
            execution_id=order.claim.execution_id,
            table_name=table,
            version=version.version,
            row_count=rows,
            size_bytes=order.size_bytes,
            replaced_characters=self.is_replacing,
            broken_types=plan.broken,
        )

    async def _execute(self, statement: str) -> None:
        with copy_errors():
            await self.connection.execute(statement, timeout=self.timeout)
