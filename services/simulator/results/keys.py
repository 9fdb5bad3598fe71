"""What the files of a result are called in a bucket."""

from services.simulator.execution import Execution

METADATA = "metadata.json"


def folder_of(execution: Execution) -> str:
    return f"workflow={execution.order.workflow_id}/{execution.id}/"


def part_name(number: int) -> str:
    return f"part-{number:05d}.csv"
