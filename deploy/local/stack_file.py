"""`.amcflow/stack.json`: how to reach the stack that runs, for people and for other programs."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.node_state import write_private
from deploy.local.paths import STACK_FILE
from deploy.local.problems import LocalStackError


@dataclass(frozen=True, slots=True)
class StackFile:
    """It holds a token and passwords: mode 0600, ignored by git, gone when the stack is."""

    api_url: str
    token: str
    database_url: str
    amqp_url: str
    simulator_url: str
    processes: dict[str, list[int]]


def write_stack_file(stack: StackFile, path: Path = STACK_FILE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(asdict(stack), indent=2) + "\n")


def read_stack_file(path: Path = STACK_FILE) -> StackFile:
    try:
        return StackFile(**json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise LocalStackError("the stack is not running: start it with `make up`") from error
