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
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
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
        async with self.database.transaction() as connection:
            load = _Load(connection, order, files, self.time_limit.total_seconds())
            await load.begin()
            loaded = await load.until_types_hold(own_table_bytes=self.own_table_bytes)
            reach(StopPoint.DOWNLOAD_BEFORE_COMMIT)
        reach(StopPoint.DOWNLOAD_COMMITTED)
        with suppress(DatabaseUnavailable):
            # It is shown late then: a timer looks for views that are behind.
            await refresh_view(self.database, order.claim.workflow_id)
        return loaded


class _VersionDiffers(Exception):
    """Another load made the version meanwhile, with columns of other names."""


@dataclass(slots=True)
class _Load:
    """One load inside its transaction; each attempt is a savepoint."""

    connection: Connection
    order: LoadOrder
    files: Sequence[CsvFile]
    timeout: float
    versions: Sequence[Version] = ()
    is_replacing: bool = False

    async def begin(self) -> None:
        """Lift the pool's limits, and do not start what cannot be finished."""
        limits = (timedelta(seconds=self.timeout), _LOCK_WAIT, _IDLE)
        claim = self.order.claim
        begun = await self.connection.fetchrow(
            _SQL["begin_load"],
            claim.execution_id,
            claim.fence,
            *(f"{limit.total_seconds() * 1000:.0f}" for limit in limits),
            f"amcflow load {claim.execution_id}",
        )
        if begun is None or not begun["is_held"]:
            raise StaleTransition(f"Execution {claim.execution_id} is ours no more.")
        if not begun["has_numbers"]:
            await self.connection.execute(_SQL["make_numbers"])

    async def until_types_hold(self, *, own_table_bytes: int) -> LoadedResult:
        """Attempts, each with wider types, until one goes through."""
        await self._read_versions()
        plan = await asyncio.to_thread(
            make_plan, self.files, self.order.declared, remembered_types(self.versions)
        )
        attempt = (
            self._into_own_table
            if max(self.order.size_bytes, self.order.announced_bytes) >= own_table_bytes
            else partial(self._into_shared_table, below=own_table_bytes)
        )
        while True:
            try:
                async with self.connection.transaction():
                    return await attempt(plan)
            except TypeBroken as broken:
                plan = plan.after_break(broken.column, broken.value)
            except BadBytes:
                self.is_replacing = True
            except _VersionDiffers:
                await self._read_versions()

    async def _read_versions(self) -> None:
        self.versions = await versions_of(self.connection, self.order.claim.workflow_id)

    async def _into_shared_table(self, plan: Plan, *, below: int) -> LoadedResult:
        version = await self._pick_version(plan)
        copying = self._copying(version.table_name, version.columns)
        counts = await copying.run()
        await self.order.arrived()
        if self.order.size_bytes >= below:
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
        completed = await self.connection.fetchval(
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
