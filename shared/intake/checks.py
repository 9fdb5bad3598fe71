"""What must hold for one item before anything is stored; a pure function of what was looked up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.db.acceptance import NewExecution
from shared.db.instances import InstanceRef
from shared.db.workflows import Definition
from shared.domain.errors import FieldProblem, InvalidRequest, NotFound
from shared.domain.ids import WORKFLOW_PREFIX, new_uuid, read
from shared.domain.windows import DefaultWindow, TimeWindow
from shared.intake.errors import UnknownItems
from shared.intake.models import ExecutionItem
from shared.intake.problems import SHOWN, refused

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What an item gets that does not say; settings of the deployment."""

    window: DefaultWindow = field(default_factory=DefaultWindow)
    deadline_seconds: int = 21_600


@dataclass(frozen=True, slots=True)
class Known:
    """The workflows and instances a request names, as far as they exist."""

    workflows: Mapping[UUID, Definition]
    instances: Mapping[str, InstanceRef]


@dataclass(slots=True)
class Findings:
    """What is wrong with a request so far: things that do not exist, and things that are wrong."""

    missing: list[FieldProblem] = field(default_factory=list)
    wrong: list[FieldProblem] = field(default_factory=list)

    def raise_if_any(self) -> None:
        """UnknownItems if all that is wrong is a name; InvalidRequest otherwise."""
        if self.wrong:
            raise refused([*self.wrong, *self.missing])
        if self.missing:
            raise UnknownItems(self.missing[0].msg, problems=tuple(self.missing[:SHOWN]))


def workflow_key(text: str) -> UUID | None:
    """The id in either form, or None for text that is no id."""
    try:
        return read(WORKFLOW_PREFIX, text, what="workflow")
    except NotFound:
        return None


@dataclass(frozen=True, slots=True)
class ItemCheck:
    """Checks the items of one request, all as of one moment."""

    known: Known
    defaults: Defaults
    lane: str
    now: datetime
    findings: Findings

    def execution(self, item: ExecutionItem, loc: Loc) -> NewExecution | None:
        """The execution to store, or None with the reasons among the findings."""
        key = workflow_key(item.workflow_id)
        workflow = None if key is None else self.known.workflows.get(key)
        instance = self.known.instances.get(item.instance_id)
        window = self._window(item, loc)
        if workflow is None:
            self._miss((*loc, "workflow_id"), f"There is no workflow {item.workflow_id[:80]!r}.")
        else:
            self._check_parameters(workflow, item.parameters, loc)
        if instance is None:
            self._miss((*loc, "instance_id"), f"There is no instance {item.instance_id[:80]!r}.")
        if workflow is None or instance is None or window is None:
            return None
        return NewExecution(
            id=new_uuid(),
            workflow_id=workflow.workflow_id,
            amc_workflow_id=workflow.amc_workflow_id,
            instance_id=instance.key,
            account_id=instance.account,
            priority=item.priority,
            lane=self.lane,
            tags=item.tags,
            retry_of=None,
            time_window_type=window.type.value,
            time_window_start=window.start,
            time_window_end=window.end,
            time_zone=window.time_zone,
            parameters=item.parameters,
            output_format=item.output_format.value,
            deadline_seconds=item.deadline_seconds or self.defaults.deadline_seconds,
            queue_timeout_seconds=item.queue_timeout_seconds,
        )

    def _window(self, item: ExecutionItem, loc: Loc) -> TimeWindow | None:
        if item.time_window is None:
            return self.defaults.window.at(self.now)
        try:
            return item.time_window.asked().resolve(default=self.defaults.window, now=self.now)
        except InvalidRequest as error:
            self.findings.wrong.extend(
                FieldProblem((*loc, "time_window", *problem.loc), problem.msg)
                for problem in error.problems
            )
            return None

    def _check_parameters(self, workflow: Definition, given: Mapping[str, str], loc: Loc) -> None:
        declared = {parameter.name: parameter for parameter in workflow.parameters}
        for name in given:
            if name not in declared:
                self._wrong((*loc, "parameters", name), "is not a parameter of this workflow")
        for name, parameter in declared.items():
            if name not in given and parameter.default_value is None:
                self._wrong((*loc, "parameters", name), "is needed: it has no default value")

    def _wrong(self, loc: Loc, msg: str) -> None:
        self.findings.wrong.append(FieldProblem(loc, msg))

    def _miss(self, loc: Loc, msg: str) -> None:
        self.findings.missing.append(FieldProblem(loc, msg))
