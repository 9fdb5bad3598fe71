"""Turns one SubmitExecution command into one execution running at AMC.

If this process dies before the intent is committed, nothing was sent: the lease runs out and the
command comes again. After it, the call may have reached AMC: nobody repeats it, and the settle
timer that was committed with the intent brings the reconciler. If the command comes twice, the
second finds the claim taken or the state passed, and is acknowledged. A worker that was frozen and
wakes after its lease finds its permit expired before the first byte, and its fence outdated after.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID
from weakref import WeakValueDictionary

from services.submitter.send_window import SendWindow
from shared.amc.models import RemoteExecution
from shared.amc.permits import CallClass, Permit, Permits
from shared.amc.target import (
    AmcTarget,
    ExecutionRequest,
    TimeWindow,
    TimeWindowType,
    WorkflowParameter,
)
from shared.domain.claims import RequestedRun, SubmissionClaim
from shared.domain.clock import utc_now
from shared.domain.errors import (
    AmcConcurrencyReached,
    AmcflowError,
    AmcThrottled,
    DatabaseUnavailable,
    InDoubtError,
    PermanentError,
    PermitExpired,
    RemoteNotFound,
    StaleTransition,
    TokenExpired,
    TransientError,
)
from shared.domain.ids import AmcExecutionId, AmcWorkflowId, InstanceKey
from shared.domain.pacing import backoff, timeout_with_marker
from shared.messaging.messages import SubmitExecution
from shared.observability.logs import get_logger
from shared.observability.stop_points import StopPoint, reach
from shared.runtime.reach import Reach, Reached
from shared.security.secrets import AccessToken

log = get_logger()

_PAUSE_AT_CONCURRENCY: Final = timedelta(seconds=30)
_RECREATIONS: Final = 10
_BIND_TRIES: Final = 3


class Submissions(Protocol):
    """The moves of executions in `submitting`; each raises StaleTransition if it came too late."""

    async def claim_for_submission(
        self, execution_id: UUID, *, lease: timedelta
    ) -> SubmissionClaim: ...
    async def is_workflow_known(self, instance: InstanceKey, workflow: AmcWorkflowId) -> bool: ...
    async def remember_workflow(self, instance: InstanceKey, workflow: AmcWorkflowId) -> None: ...
    async def forget_workflow(self, instance: InstanceKey, workflow: AmcWorkflowId) -> None: ...
    async def record_intent(
        self,
        claim: SubmissionClaim,
        *,
        timeout_seconds: int,
        settle_time: timedelta,
        lease: timedelta,
    ) -> int: ...
    async def bind(
        self,
        claim: SubmissionClaim,
        *,
        amc_execution_id: AmcExecutionId,
        amc_status: str,
        created_at: datetime,
    ) -> None: ...
    async def mark_failed(
        self, claim: SubmissionClaim, error: AmcflowError, *, outcome: str = ...
    ) -> None: ...
    async def mark_cancelled(self, claim: SubmissionClaim) -> None: ...
    async def cancel_if_requested(self, claim: SubmissionClaim) -> bool: ...
    async def requeue(
        self,
        claim: SubmissionClaim,
        *,
        reason: str,
        pause: timedelta | None = ...,
        outcome: str = ...,
    ) -> None: ...
    async def postpone(
        self, claim: SubmissionClaim, *, wait: timedelta, reason: str, outcome: str = ...
    ) -> None: ...


class Amc(Protocol):
    """The calls that make an execution."""

    async def warm_up(self, target: AmcTarget) -> None: ...
    async def create_workflow(
        self,
        target: AmcTarget,
        token: AccessToken,
        *,
        amc_workflow_id: AmcWorkflowId,
        sql_query: str,
        parameters: tuple[WorkflowParameter, ...],
        give_up_at: float,
    ) -> None: ...
    async def create_execution(
        self, target: AmcTarget, token: AccessToken, request: ExecutionRequest, *, permit: Permit
    ) -> RemoteExecution: ...


@dataclass(frozen=True, slots=True)
class SubmitPolicy:
    """The times that must agree; see `shared.settings.AmcCallSettings`."""

    lease: timedelta
    settle_time: timedelta
    http_timeout: timedelta
    is_marked: bool = True


@dataclass(frozen=True, slots=True)
class SubmitHandler:
    """Carries out SubmitExecution."""

    submissions: Submissions
    amc: Amc
    reach: Reach
    permits: Permits
    policy: SubmitPolicy
    window: SendWindow = field(default_factory=SendWindow)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _makers: WeakValueDictionary[tuple[InstanceKey, AmcWorkflowId], asyncio.Lock] = field(
        default_factory=WeakValueDictionary
    )

    async def __call__(self, command: SubmitExecution, /) -> None:
        claimed_at = self.clock()
        claim = await self.submissions.claim_for_submission(
            command.execution_id, lease=self.policy.lease
        )
        reach(StopPoint.SUBMIT_CLAIMED)
        if claim.is_cancel_requested:
            await self.submissions.mark_cancelled(claim)
        elif claim.is_held:
            await self.submissions.requeue(claim, reason="the instance is paused")
        else:
            await self._submit(claim, claimed_at)

    async def _submit(self, claim: SubmissionClaim, claimed_at: float) -> None:
        try:
            async with self.reach.to(claim.destination) as at:
                remote = await self._send(claim, claimed_at, at)
        except (DatabaseUnavailable, StaleTransition):
            raise
        except TransientError as error:
            reach(StopPoint.SUBMIT_REFUSED)
            await self._come_back(claim, error)
        except InDoubtError as error:
            log.warning("submission_in_doubt", attempt=claim.attempt + 1, error=error.message)
        except RemoteNotFound as error:
            reach(StopPoint.SUBMIT_REFUSED)
            await self._recreate_workflow(claim, error)
        except PermanentError as error:
            reach(StopPoint.SUBMIT_REFUSED)
            await self.submissions.mark_failed(claim, error)
            log.info("execution_refused", error_code=error.code)
        else:
            reach(StopPoint.SUBMIT_ANSWERED)
            await self._bind(claim, remote)

    async def _send(
        self, claim: SubmissionClaim, claimed_at: float, at: Reached
    ) -> RemoteExecution:
        # A create that starts by then has ended when the lease does.
        last_send = claimed_at + (self.policy.lease - self.policy.http_timeout).total_seconds()
        if not claim.is_workflow_known:
            await self._make_workflow_known(claim, at, last_send)
        reach(StopPoint.SUBMIT_WORKFLOW_KNOWN)
        # A handshake outlasts a permit, so the connection comes first.
        await self.amc.warm_up(at.target)
        async with self.window.turn():
            return await self._send_in_time(claim, last_send, at)

    async def _send_in_time(
        self, claim: SubmissionClaim, last_send: float, at: Reached
    ) -> RemoteExecution:
        permit = await self._book(claim, last_send)
        reach(StopPoint.SUBMIT_PERMIT_BOOKED)
        timeout_seconds = timeout_with_marker(
            claim.deadline_seconds, is_marked=self.policy.is_marked
        )
        await self._intend(claim, timeout_seconds)
        reach(StopPoint.SUBMIT_INTENDED)
        request = ExecutionRequest(
            amc_workflow_id=claim.run.amc_workflow_id,
            time_window=window_of(claim.run),
            parameter_values=claim.run.parameters,
            timeout_seconds=timeout_seconds,
        )
        return await self.amc.create_execution(at.target, at.token, request, permit=permit)

    async def _make_workflow_known(
        self, claim: SubmissionClaim, at: Reached, give_up_at: float
    ) -> None:
        """Executions of a new workflow come in crowds: the first makes it, the others wait."""
        key = at.target.instance, claim.run.amc_workflow_id
        maker = self._makers.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(give_up_at - self.clock()):
                await maker.acquire()
        except TimeoutError:
            raise PermitExpired("The workflow was not made within the lease.") from None
        try:
            if not await self.submissions.is_workflow_known(*key):
                await self._make_workflow(claim, at, give_up_at)
        finally:
            maker.release()

    async def _make_workflow(self, claim: SubmissionClaim, at: Reached, give_up_at: float) -> None:
        await self.amc.create_workflow(
            at.target,
            at.token,
            amc_workflow_id=claim.run.amc_workflow_id,
            sql_query=claim.sql_query,
            parameters=tuple(
                WorkflowParameter(each.name, each.data_type, each.default_value)
                for each in claim.declared
            ),
            give_up_at=give_up_at,
        )
        reach(StopPoint.SUBMIT_WORKFLOW_CREATED)
        await self.submissions.remember_workflow(at.target.instance, claim.run.amc_workflow_id)

    async def _book(self, claim: SubmissionClaim, last_send: float) -> Permit:
        try:
            async with asyncio.timeout(last_send - self.clock()):
                return await self.permits.take(claim.destination.instance, CallClass.SUBMIT)
        except TimeoutError:
            raise PermitExpired("No turn in the rate budget within the lease.") from None

    async def _intend(self, claim: SubmissionClaim, timeout_seconds: int) -> None:
        try:
            await self.submissions.record_intent(
                claim,
                timeout_seconds=timeout_seconds,
                settle_time=self.policy.settle_time,
                lease=self.policy.lease,
            )
        except StaleTransition:
            await self.submissions.cancel_if_requested(claim)
            raise

    async def _bind(self, claim: SubmissionClaim, remote: RemoteExecution) -> None:
        """The answer is precious: losing it costs a settle time, so the database gets time."""
        for tries in range(_BIND_TRIES):
            try:
                await self.submissions.bind(
                    claim,
                    amc_execution_id=remote.amc_execution_id,
                    amc_status=remote.status,
                    created_at=remote.created_at or utc_now(),
                )
            except DatabaseUnavailable:
                if tries == _BIND_TRIES - 1:
                    raise
                await self.sleep(backoff(tries).total_seconds())
            else:
                reach(StopPoint.SUBMIT_BOUND)
                log.info("execution_submitted", amc_execution_id=remote.amc_execution_id)
                return

    async def _come_back(self, claim: SubmissionClaim, error: TransientError) -> None:
        wait = error.wait or backoff(claim.postponed_count)
        match error:
            case AmcConcurrencyReached():
                await self.submissions.requeue(
                    claim,
                    reason=error.message,
                    pause=error.wait or _PAUSE_AT_CONCURRENCY,
                    outcome="throttled",
                )
                log.warning("instance_full_at_amc", wait=wait.total_seconds())
                return
            case AmcThrottled():
                outcome = "throttled"
            case TokenExpired():
                outcome = "refused"
            case PermitExpired():
                wait, outcome = timedelta(milliseconds=100), "not_sent"
            case _:
                outcome = "not_sent"
        await self.submissions.postpone(claim, wait=wait, reason=error.message, outcome=outcome)
        log.info("submission_postponed", error_code=error.code, wait=wait.total_seconds())

    async def _recreate_workflow(self, claim: SubmissionClaim, error: RemoteNotFound) -> None:
        """Somebody deleted our workflow at AMC: a definite refusal, so create it again."""
        await self.submissions.forget_workflow(
            claim.destination.instance, claim.run.amc_workflow_id
        )
        if claim.postponed_count >= _RECREATIONS:
            await self.submissions.mark_failed(claim, error)
            return
        await self.submissions.postpone(
            claim, wait=timedelta(milliseconds=200), reason=error.message, outcome="refused"
        )


def window_of(run: RequestedRun) -> TimeWindow:
    """The window in the AMC client's words."""
    return TimeWindow(
        type=TimeWindowType(run.time_window_type),
        start=run.time_window_start,
        end=run.time_window_end,
        time_zone=run.time_zone,
    )
