"""AMC in memory: it answers as told, keeps what it made, and remembers who asked for what."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.amc.models import ExecutionPage, RemoteExecution
from shared.amc.outcomes import CancelOutcome
from shared.amc.permits import Permit
from shared.amc.target import AmcTarget, ExecutionRequest
from shared.domain.errors import RemoteNotFound
from shared.domain.ids import AmcExecutionId, AmcWorkflowId
from shared.security.secrets import AccessToken

Step = Exception | Callable[[], Exception | None]


@dataclass
class FakeAmc:
    """`script[call]` holds what comes instead of an answer, next first."""

    executions: dict[str, RemoteExecution] = field(default_factory=dict)
    workflows: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    script: dict[str, deque[Step]] = field(default_factory=lambda: defaultdict(deque))
    page_size: int = 100
    unlisted: set[str] = field(default_factory=set)
    since: list[datetime | None] = field(default_factory=list)
    loses_answers: bool = False

    def will(self, call: str, *steps: Step) -> None:
        self.script[call].extend(steps)

    def count(self, call: str) -> int:
        return sum(name == call for name, _ in self.calls)

    async def warm_up(self, target: AmcTarget) -> None:
        self._called("warm_up", target.amc_instance_id)

    async def create_workflow(
        self,
        target: AmcTarget,
        token: AccessToken,
        *,
        amc_workflow_id: AmcWorkflowId,
        sql_query: str,
        parameters: Any = (),
        give_up_at: float,
    ) -> None:
        self._called("create_workflow", amc_workflow_id)
        await asyncio.sleep(0)
        self.workflows[amc_workflow_id] = sql_query

    async def create_execution(
        self, target: AmcTarget, token: AccessToken, request: ExecutionRequest, *, permit: Permit
    ) -> RemoteExecution:
        await permit.wait()
        permit.check()
        self._called("create_execution", request.amc_workflow_id)
        return self.make(
            workflow=request.amc_workflow_id,
            timeout_seconds=request.timeout_seconds,
            parameter_values=request.parameter_values,
        )

    async def list_executions(
        self,
        target: AmcTarget,
        token: AccessToken,
        *,
        workflow_id: AmcWorkflowId | None = None,
        created_since: datetime | None = None,
        next_token: str | None = None,
        give_up_at: float,
    ) -> ExecutionPage:
        self._called("list_executions", next_token or "")
        self.since.append(created_since)
        listed = [
            remote
            for remote in reversed(self.executions.values())
            if remote.amc_execution_id not in self.unlisted
            and (workflow_id is None or remote.amc_workflow_id == workflow_id)
            and (created_since is None or (remote.created_at or created_since) >= created_since)
        ]
        begin = int(next_token or 0)
        end = begin + self.page_size
        return ExecutionPage(tuple(listed[begin:end]), str(end) if end < len(listed) else None)

    async def get_execution(
        self,
        target: AmcTarget,
        token: AccessToken,
        amc_execution_id: AmcExecutionId,
        *,
        give_up_at: float,
    ) -> RemoteExecution:
        self._called("get_execution", amc_execution_id)
        try:
            return self.executions[amc_execution_id]
        except KeyError:
            raise RemoteNotFound(f"{amc_execution_id} does not exist") from None

    async def cancel_execution(
        self,
        target: AmcTarget,
        token: AccessToken,
        amc_execution_id: AmcExecutionId,
        *,
        give_up_at: float,
    ) -> CancelOutcome:
        self._called("cancel_execution", amc_execution_id)
        self.becomes(amc_execution_id, "CANCELLED")
        return CancelOutcome.REQUESTED

    def make(self, name: str | None = None, *, workflow: str, **members: Any) -> RemoteExecution:
        """An execution as AMC has it, whoever made it."""
        name = name or f"amc-{len(self.executions)}"
        made = RemoteExecution(
            **{
                "amc_execution_id": AmcExecutionId(name),
                "amc_workflow_id": AmcWorkflowId(workflow),
                "status": "PENDING",
                "created_at": datetime.now(UTC) - timedelta(milliseconds=1),
                **members,
            }
        )
        self.executions[name] = made
        return made

    def becomes(self, name: str, status: str, **members: Any) -> None:
        if name in self.executions:
            self.executions[name] = replace(self.executions[name], status=status, **members)

    def _called(self, call: str, what: str) -> None:
        self.calls.append((call, what))
        steps = self.script[call]
        if not steps:
            return
        step = steps.popleft()
        error = step() if callable(step) else step
        if error is not None:
            raise error
