"""What the demo asks for: 40 executions of four workflows on three instances, by every door."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from itertools import cycle, islice

from deploy.local.welcome import INSTANCES


@dataclass(frozen=True, slots=True)
class DemoWorkflow:
    """A saved workflow of the demo."""

    name: str
    file: str
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        """Its query."""
        folder = resources.files("deploy.local.demo").joinpath("workflows")
        return folder.joinpath(self.file).read_text("utf-8")


WORKFLOWS = (
    DemoWorkflow("path to conversion", "path_to_conversion.sql"),
    DemoWorkflow("new to brand", "new_to_brand.sql"),
    DemoWorkflow("reach and frequency", "reach_and_frequency.sql", {"most": "10"}),
    DemoWorkflow("cross-channel performance", "cross_channel_performance.sql"),
)
REFUSED = DemoWorkflow("refused by AMC", "refused.sql")

SINGLE, BULK, BY_QUEUE = 7, 20, 10
# Beside these: one that AMC refuses, one cancelled while queued, one cancelled at AMC.
TOTAL = SINGLE + BULK + BY_QUEUE + 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """One execution to ask for."""

    workflow: DemoWorkflow
    instance: str

    def item(self, workflow_ids: dict[str, str]) -> dict[str, object]:
        """As an item of the bulk request."""
        return {
            "workflow_id": workflow_ids[self.workflow.name],
            "instance_id": self.instance,
            "parameters": self.workflow.parameters,
        }


def wanted() -> Iterator[Wanted]:
    """All pairs of workflow and instance, over and over."""
    pairs = [Wanted(workflow, instance) for instance in INSTANCES for workflow in WORKFLOWS]
    return cycle(pairs)


def batches() -> tuple[list[Wanted], list[Wanted], list[Wanted]]:
    """One by one, in one bulk request, by one message on the queue."""
    source = wanted()
    return (
        list(islice(source, SINGLE)),
        list(islice(source, BULK)),
        list(islice(source, BY_QUEUE)),
    )
