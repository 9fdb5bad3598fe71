"""The calls of AMC's reporting API, as the services use them.

Every call spends one permit. `create_execution` brings its own, booked before the intent was
committed, and is never repeated here; the others take a new one for each attempt and repeat on
network errors and 5xx until `give_up_at` (monotonic seconds: the caller's lease).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from shared.amc.attempt import Attempts, Call
from shared.amc.bodies import Answer
from shared.amc.models import (
    DownloadLinks,
    ExecutionPage,
    RemoteExecution,
    read_download_links,
    read_execution,
    read_execution_page,
)
from shared.amc.outcomes import (
    CancelOutcome,
    judge_cancel,
    judge_create,
    judge_create_workflow,
    judge_read,
)
from shared.amc.permits import CallClass, Permit, Permits
from shared.amc.retry import Repeat
from shared.amc.target import AmcTarget, ExecutionRequest, WorkflowParameter
from shared.amc.translate import amc_errors
from shared.domain.ids import AmcExecutionId, AmcWorkflowId
from shared.observability.stop_points import StopPoint, reaching
from shared.security.secrets import AccessToken

T = TypeVar("T")

PAGE_SIZE = 100
_EXECUTIONS = "workflowExecutions"


@dataclass(frozen=True, slots=True)
class AmcClient:
    """AMC, for one service. All errors are those of `shared.domain.errors`."""

    attempts: Attempts
    permits: Permits
    repeat: Repeat = field(default_factory=Repeat)

    async def warm_up(self, target: AmcTarget) -> None:
        """Call it before booking the permit of a create; see `Attempts.warm_up`."""
        await self.attempts.warm_up(target.base_url)

    async def create_workflow(
        self,
        target: AmcTarget,
        token: AccessToken,
        *,
        amc_workflow_id: AmcWorkflowId,
        sql_query: str,
        parameters: Sequence[WorkflowParameter] = (),
        give_up_at: float,
    ) -> None:
        """Existing already is fine. QueryRejected carries AMC's text if it does not compile."""
        body: dict[str, object] = {"workflowId": amc_workflow_id, "sqlQuery": sql_query}
        if parameters:
            body["inputParameters"] = [parameter.member() for parameter in parameters]
        call = _call(target, "create_workflow", "POST", "workflows", body=body)
        await self._repeated(
            call, target, token, judge_create_workflow, CallClass.SUBMIT, give_up_at
        )

    async def create_execution(
        self, target: AmcTarget, token: AccessToken, request: ExecutionRequest, *, permit: Permit
    ) -> RemoteExecution:
        """Waits for the permit's turn and sends once.

        Nothing was sent: PermitExpired, AmcUnavailable. Refused: QueryRejected,
        InstanceForbidden, RemoteNotFound (the workflow is gone: create it again). Not now:
        AmcThrottled, AmcConcurrencyReached, TokenExpired. Anything else is InDoubtError, and so
        is a cancelled task, which stays CancelledError.
        """
        call = _call(
            target,
            "create_execution",
            "POST",
            _EXECUTIONS,
            body=request.body(),
            safe_to_repeat=False,
            after_bytes=reaching(StopPoint.SUBMIT_SENT),
        )
        return await self.attempts.make(call, token, judge_create, permit=permit)

    async def get_execution(
        self,
        target: AmcTarget,
        token: AccessToken,
        amc_execution_id: AmcExecutionId,
        *,
        give_up_at: float,
    ) -> RemoteExecution:
        """RemoteNotFound for an id AMC does not know."""
        call = _call(target, "get_execution", "GET", _EXECUTIONS, amc_execution_id)
        judge = judge_read(read_execution)
        return await self._repeated(call, target, token, judge, CallClass.POLL, give_up_at)

    async def list_executions(
        self,
        target: AmcTarget,
        token: AccessToken,
        *,
        workflow_id: AmcWorkflowId | None = None,
        created_since: datetime | None = None,
        include_cancelled: bool = True,
        limit: int = PAGE_SIZE,
        next_token: str | None = None,
        give_up_at: float,
    ) -> ExecutionPage:
        """One page, newest first. AMC wants a workflow or a time; `created_since` is aware."""
        if workflow_id is None and created_since is None:
            raise ValueError("AMC lists executions of a workflow or since a time, not all")
        query = {"includeCancelled": str(include_cancelled).lower(), "limit": str(limit)}
        if workflow_id is not None:
            query["workflowId"] = workflow_id
        if created_since is not None:
            since = created_since.astimezone(UTC).replace(tzinfo=None)
            query["minCreationTime"] = since.isoformat(timespec="seconds")
        if next_token is not None:
            query["nextToken"] = next_token
        call = _call(target, "list_executions", "GET", _EXECUTIONS, query=query)
        judge = judge_read(read_execution_page)
        return await self._repeated(call, target, token, judge, CallClass.POLL, give_up_at)

    async def cancel_execution(
        self,
        target: AmcTarget,
        token: AccessToken,
        amc_execution_id: AmcExecutionId,
        *,
        give_up_at: float,
    ) -> CancelOutcome:
        """What AMC answered; only a later look tells whether it really was cancelled."""
        call = _call(
            target,
            "cancel_execution",
            "PUT",
            _EXECUTIONS,
            amc_execution_id,
            body={"status": "CANCELLED"},
        )
        return await self._repeated(call, target, token, judge_cancel, CallClass.POLL, give_up_at)

    async def download_links(
        self,
        target: AmcTarget,
        token: AccessToken,
        amc_execution_id: AmcExecutionId,
        *,
        give_up_at: float,
    ) -> DownloadLinks:
        """Links that live for ten minutes; ResultUnavailable if AMC has none to give."""
        call = _call(target, "download_links", "GET", _EXECUTIONS, amc_execution_id, "downloadUrls")
        judge = judge_read(read_download_links)
        return await self._repeated(call, target, token, judge, CallClass.DOWNLOAD, give_up_at)

    async def _repeated(  # noqa: PLR0917 - private: one line per public call above
        self,
        call: Call,
        target: AmcTarget,
        token: AccessToken,
        judge: Callable[[Answer], T],
        call_class: CallClass,
        give_up_at: float,
    ) -> T:
        async def once() -> T:
            with amc_errors(f"{call.name}: waiting for a permit", safe_to_repeat=True):
                async with asyncio.timeout(max(give_up_at - self.attempts.clock(), 0)):
                    await self.attempts.warm_up(call.base_url)
                    permit = await self.permits.take(target.instance, call_class)
            return await self.attempts.make(
                call, token, judge, permit=permit, give_up_at=give_up_at
            )

        return await self.repeat.run(once, give_up_at=give_up_at)


def _call(
    target: AmcTarget,
    name: str,
    method: str,
    *parts: str,
    query: dict[str, str] | None = None,
    body: dict[str, object] | None = None,
    safe_to_repeat: bool = True,
    after_bytes: Callable[[], None] | None = None,
) -> Call:
    return Call(
        name=name,
        method=method,
        base_url=target.base_url,
        path=target.path(*parts),
        safe_to_repeat=safe_to_repeat,
        entity_id=target.entity_id,
        marketplace_id=target.marketplace_id,
        instance=target.instance,
        query=query or {},
        body=body,
        after_bytes=after_bytes,
    )
