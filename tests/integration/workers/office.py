"""Somebody who has an instance compared with AMC, and decides on what was found."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.submitter.compare_handler import CompareHandler
from shared.db.reconciliations import Comparisons, Finding, Reconciliation, Reconciliations
from shared.messaging.messages import ReconcileInstance
from tests.integration.builders import timer_in
from tests.integration.workers.bench import LEASE, Bench

DAY = timedelta(days=1)


@dataclass
class Office:
    """Somebody who compares, and decides."""

    bench: Bench

    @property
    def desk(self) -> Reconciliations:
        return Reconciliations(self.bench.database)

    async def ask(self) -> UUID:
        since = datetime.now(UTC) - DAY
        (run,) = await self.desk.ask([self.bench.instance.key], since=since, by="anna")
        return run.id

    async def compare(self, run: UUID, comparisons: Any = None, **policy: Any) -> Reconciliation:
        handler = CompareHandler(
            comparisons or Comparisons(self.bench.database),
            self.bench.amc,
            self.bench.reach,
            lease=LEASE,
            **policy,
        )
        await handler(ReconcileInstance(reconciliation_id=run))
        return await self.desk.get(run)

    async def compared(self) -> UUID:
        run = await self.ask()
        assert (await self.compare(run)).status == "done"
        return run

    async def found(self, run: UUID, kind: str | None = None) -> list[Finding]:
        return await self.desk.findings(run, kind=kind, after=0, limit=200)

    async def kinds(self) -> dict[str, str]:
        return {
            each.amc_execution_id: each.kind for each in await self.found(await self.compared())
        }

    async def adopt(self, run: UUID, name: str) -> Finding:
        await self.desk.adopt(run, name, by="anna", request_id="r-1")
        return await self.desk.finding(run, name)

    async def attempt(self, outcome: str, mark: int, execution: UUID | None = None) -> UUID:
        execution = execution or await self.bench.execution("submitting")
        await self.bench.database.execute(
            "insert into submission_attempts (execution_id, attempt, instance_id, amc_workflow_id,"
            " timeout_seconds, outcome) values ($1, 1, $2, $3, $4, $5)",
            execution,
            self.bench.instance.key,
            self.bench.workflow.amc_workflow_id,
            mark,
            outcome,
        )
        return execution

    async def in_doubt(self, mark: int = 1000) -> UUID:
        execution = await self.bench.execution(
            "submitting", intent_at=datetime.now(UTC), amc_timeout_seconds=mark, attempt=1
        )
        return await self.attempt("intended", mark, execution)

    def ours(self, name: str, **members: Any) -> None:
        """An execution at AMC of our workflow."""
        self.bench.amc.make(name, workflow=self.bench.workflow.amc_workflow_id, **members)

    async def timer(self, run: UUID) -> float | None:
        return await timer_in(self.bench.database, "reconcile_instance", run)
