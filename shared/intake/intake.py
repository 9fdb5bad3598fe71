"""Accepts requests for executions, whatever door they came in by: all of a request, or none.

The committed rows are the promise. Admission is only hinted at afterwards; what a crash leaves in
the queue is admitted by the rescuer's look.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.db.acceptance import NewExecution, RememberedRequest
from shared.db.executions_read import Original
from shared.db.instances import InstanceRef
from shared.db.workflows import Definition
from shared.domain.clock import utc_now
from shared.domain.errors import NotFound
from shared.domain.ids import EXECUTION_PREFIX, new_uuid, show
from shared.domain.states import FINAL, ExecutionState
from shared.intake.checks import Defaults, Findings, ItemCheck, Known, Loc, workflow_key
from shared.intake.errors import NotFinished
from shared.intake.idempotency import Once, Remember, Repeatable
from shared.intake.models import Accepted, AcceptedItem, ExecutionItem
from shared.observability.stop_points import StopPoint, reach

# Made once: an annotation of a function inside another is evaluated at every call of the outer.
RememberAccepted = Remember[Accepted]


class WorkflowBook(Protocol):
    """What workflows say now."""

    async def definitions(self, workflow_ids: Collection[UUID]) -> Mapping[UUID, Definition]: ...


class InstanceBook(Protocol):
    """Which instances there are."""

    async def references(self, amc_instance_ids: Collection[str]) -> Mapping[str, InstanceRef]: ...


class ExecutionStore(Protocol):
    """Where accepted executions are kept."""

    async def accept(
        self,
        executions: Sequence[NewExecution],
        *,
        owner: str,
        request_id: str,
        remember: RememberedRequest | None = None,
    ) -> None: ...


class Admitter(Protocol):
    """Moves queued executions on, soon and in few calls; losing a hint loses no execution."""

    def soon(self, instance_ids: Collection[int]) -> None: ...


class Originals(Protocol):
    """Executions that a retry repeats."""

    async def original(self, execution_id: UUID) -> Original: ...


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf, and under which request id."""

    owner: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Intake:
    """The use case of asking for executions."""

    workflows: WorkflowBook
    instances: InstanceBook
    originals: Originals
    store: ExecutionStore
    admitter: Admitter
    once: Once
    defaults: Defaults = field(default_factory=Defaults)
    clock: Callable[[], datetime] = utc_now

    async def accept(
        self, items: Sequence[ExecutionItem], asker: Asker, repeatable: Repeatable | None = None
    ) -> Accepted:
        """All of them or none; a problem names its item as `items, <index>, <field>`."""
        places: list[Loc] = [("items", index) for index in range(len(items))]
        return await self._once(items, places, asker, repeatable)

    async def accept_one(
        self, item: ExecutionItem, asker: Asker, repeatable: Repeatable | None = None
    ) -> Accepted:
        """This one; a problem names its field."""
        return await self._once([item], [()], asker, repeatable)

    async def retry(
        self, execution_id: UUID, asker: Asker, repeatable: Repeatable | None = None
    ) -> Accepted:
        """A new execution of what that one ran: the same SQL, parameters and window.

        NotFinished while it has not ended; NotFound if it, or its workflow, is gone.
        """

        async def work(remember: RememberAccepted) -> Accepted:
            original = await self.originals.original(execution_id)
            _refuse_retry(original)
            again = replace(
                original.execution, id=new_uuid(), lane=asker.owner, retry_of=execution_id
            )
            return await self._store([again], asker, remember)

        return await self.once.answer(repeatable, Accepted, work)

    async def _once(
        self,
        items: Sequence[ExecutionItem],
        places: Sequence[Loc],
        asker: Asker,
        repeatable: Repeatable | None,
    ) -> Accepted:
        async def work(remember: RememberAccepted) -> Accepted:
            executions = await self._checked(items, places, asker)
            return await self._store(executions, asker, remember)

        return await self.once.answer(repeatable, Accepted, work)

    async def _checked(
        self, items: Sequence[ExecutionItem], places: Sequence[Loc], asker: Asker
    ) -> list[NewExecution]:
        findings = Findings()
        check = ItemCheck(
            await self._known(items), self.defaults, asker.owner, self.clock(), findings
        )
        checked = [check.execution(item, loc) for item, loc in zip(items, places, strict=True)]
        findings.raise_if_any()
        return [execution for execution in checked if execution is not None]

    async def _known(self, items: Sequence[ExecutionItem]) -> Known:
        keys = {workflow_key(text) for text in {item.workflow_id for item in items}}
        return Known(
            await self.workflows.definitions([key for key in keys if key is not None]),
            await self.instances.references({item.instance_id for item in items}),
        )

    async def _store(
        self, executions: Sequence[NewExecution], asker: Asker, remember: RememberAccepted
    ) -> Accepted:
        accepted = _accepted(executions)
        await self.store.accept(
            executions,
            owner=asker.owner,
            request_id=asker.request_id,
            remember=remember(accepted),
        )
        reach(StopPoint.ACCEPT_COMMITTED)
        self.admitter.soon({execution.instance_id for execution in executions})
        return accepted


def _refuse_retry(original: Original) -> None:
    if original.state not in FINAL:
        raise NotFinished(f"The execution is {original.state}.")
    if original.is_workflow_deleted:
        raise NotFound(
            "The workflow of this execution was deleted.",
            hint="Save the SQL as a workflow again; the old execution's results stay readable.",
        )


def _accepted(executions: Sequence[NewExecution]) -> Accepted:
    return Accepted(
        items=[
            AcceptedItem(
                index=index,
                id=show(EXECUTION_PREFIX, execution.id),
                status=ExecutionState.QUEUED.value,
            )
            for index, execution in enumerate(executions)
        ]
    )
