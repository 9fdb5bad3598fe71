"""A submitter, a canceller, a reconciler and a poller on the real database and an AMC in memory."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.poller.handler import LookPolicy, PollHandler
from services.submitter.cancel_handler import CancelHandler, CancelStrayHandler, RemoteCancel
from services.submitter.reconcile_handler import ReconcileHandler
from services.submitter.submit_handler import SubmitHandler, SubmitPolicy
from shared.amc.permits import CallClass, Permit
from shared.db.polling import Looks
from shared.db.pool import Database
from shared.db.rate_budget import RateBudgets
from shared.db.submission import Cancellations, Submissions
from shared.db.tokens import Logins
from shared.domain.ids import CredentialId, InstanceKey
from shared.messaging.messages import (
    CancelExecution,
    CancelStray,
    PollInstance,
    ReconcileExecution,
    SubmitExecution,
)
from shared.runtime.access import Access
from shared.runtime.reach import Reach
from shared.security.tokens import TokenContext, TokenKind, TokenVault
from tests.integration.builders import (
    MadeInstance,
    MadeWorkflow,
    make_account,
    make_credential,
    make_execution,
    make_instance,
    make_workflow,
    row_of,
    timer_in,
)
from tests.integration.workers.fake_amc import FakeAmc

LEASE = timedelta(seconds=60)
SETTLE = timedelta(seconds=120)
OLD = datetime.now(UTC) - timedelta(minutes=6)
"""So long ago that AMC's denial counts."""


class OpenPermits:
    """A budget that is never used up, and whose turns a busy machine does not miss."""

    async def take(self, instance: InstanceKey, call_class: CallClass) -> Permit:
        now = time.monotonic()
        return Permit(now, now + 60)


class Flaky:
    """A repository of which one move fails the first times, before or after it took effect."""

    def __init__(self, real: Any, move: str, *errors: Exception, after: bool = False) -> None:
        self._real = real
        self._move = move
        self._errors = list(errors)
        self._after = after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name != self._move:
            return real

        async def fail(*arguments: Any, **named: Any) -> Any:
            if not self._errors:
                return await real(*arguments, **named)
            if self._after:
                await real(*arguments, **named)
            raise self._errors.pop(0)

        return fail


@dataclass
class Bench:
    """One instance with work, and everybody who works on it."""

    database: Database
    amc: FakeAmc
    instance: MadeInstance
    workflow: MadeWorkflow
    access: Access
    slept: list[float] = field(default_factory=list)

    @property
    def submissions(self) -> Submissions:
        return Submissions(self.database)

    @property
    def reach(self) -> Reach:
        return Reach(self.access, RateBudgets(self.database))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def execution(self, state: str = "submitting", **overrides: Any) -> UUID:
        return await make_execution(self.database, self.instance, self.workflow, state, **overrides)

    async def at_amc(self, state: str = "running", **overrides: Any) -> UUID:
        """An execution that AMC has, too, and says the same of."""
        execution = await self.execution(state, **overrides)
        row = await row_of(self.database, execution)
        self.amc.make(
            row["amc_execution_id"],
            workflow=self.workflow.amc_workflow_id,
            status=row["amc_status"],
            created_at=row["amc_created_at"],
            timeout_seconds=row["amc_timeout_seconds"],
        )
        return execution

    async def says(self, execution: UUID, status: str, **members: object) -> None:
        """From now on AMC says this of it."""
        row = await self.row(execution)
        self.amc.becomes(row["amc_execution_id"], status, **members)

    async def next_look(self) -> float:
        """Seconds until it."""
        wait = await timer_in(self.database, "poll_instance", self.instance.key)
        assert wait is not None
        return wait

    def submitter(self, submissions: Any = None) -> SubmitHandler:
        return SubmitHandler(
            submissions or self.submissions,
            self.amc,
            self.reach,
            OpenPermits(),
            SubmitPolicy(lease=LEASE, settle_time=SETTLE, http_timeout=timedelta(seconds=30)),
            sleep=self.sleep,
        )

    async def submit(self, execution: UUID, submissions: Any = None) -> None:
        await self.submitter(submissions)(SubmitExecution(execution_id=execution))

    async def reconcile(self, execution: UUID) -> None:
        handler = ReconcileHandler(self.submissions, self.amc, self.reach, LEASE, SETTLE)
        await handler(ReconcileExecution(execution_id=execution))

    async def settle(self) -> None:
        """The settle time and every lease are over."""
        await self.database.execute(
            "update workflow_executions set settle_at = clock_timestamp(),"
            " lease_until = clock_timestamp() where intent_at is not null"
        )

    @property
    def remote_cancel(self) -> RemoteCancel:
        return RemoteCancel(self.amc, self.reach, LEASE)

    async def cancel(self, execution: UUID) -> None:
        handler = CancelHandler(Cancellations(self.database), self.remote_cancel)
        await handler(CancelExecution(execution_id=execution))

    async def cancel_stray(self, name: str) -> None:
        handler = CancelStrayHandler(Cancellations(self.database), self.remote_cancel)
        await handler(CancelStray(instance_id=self.instance.key, amc_execution_id=name))

    async def look(self, looks: Any = None, **policy: Any) -> None:
        handler = PollHandler(
            looks or Looks(self.database),
            self.amc,
            self.reach,
            LookPolicy(lease=LEASE, **policy),
        )
        await handler(PollInstance(instance_id=self.instance.key))

    async def row(self, execution: UUID) -> dict[str, Any]:
        return await row_of(self.database, execution)

    async def events(self, execution: UUID) -> list[str]:
        rows = await self.database.fetch(
            "select kind from execution_events where execution_id = $1 order by id", execution
        )
        return [row["kind"] for row in rows]

    async def budget_pause(self) -> float:
        """Seconds for which nobody may call AMC for this instance."""
        seconds: float = await self.database.fetchval(
            "select greatest(extract(epoch from paused_until - clock_timestamp()), 0)::float8"
            " from rate_budgets where instance_id = $1",
            self.instance.key,
        )
        return seconds

    async def let_the_token_expire(self) -> None:
        await self.database.execute(
            "update credentials set access_token_expires_at = clock_timestamp()"
        )


async def make_bench(database: Database, vault: TokenVault) -> Bench:
    """With a login that has an access token, sealed in this vault."""
    credential = await make_credential(database)
    sealed = vault.seal(TokenContext(CredentialId(credential), TokenKind.ACCESS), "Atza|token")
    await database.execute(
        "update credentials set access_token_ciphertext = $2, access_token_key_id = $3,"
        " access_token_expires_at = $4 where id = $1",
        credential,
        sealed.ciphertext,
        sealed.key_id,
        datetime.now(UTC) + timedelta(hours=1),
    )
    account = await make_account(database, credential_id=credential)
    return Bench(
        database,
        FakeAmc(),
        await make_instance(database, account),
        await make_workflow(database),
        Access(Logins(database), vault, "http://127.0.0.1:1"),
    )
