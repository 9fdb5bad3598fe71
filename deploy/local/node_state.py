"""What a private node must remember between starts: its ports and its generated password."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deploy.local.ports import free_ports, is_free


@dataclass(frozen=True, slots=True)
class NodeState:
    """Kept in `node.json`, readable by its owner alone."""

    ports: list[int]
    user: str = "amcflow"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)


def load_state(folder: Path, port_count: int) -> NodeState:
    """The same password for ever, the same ports while they are free."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "node.json"
    if not path.exists():
        state = NodeState(ports=free_ports(port_count))
    else:
        state = NodeState(**json.loads(path.read_text()))
        if not all(is_free(port) for port in state.ports):
            state = NodeState(free_ports(port_count), state.user, state.password)
    write_private(path, json.dumps(asdict(state)))
    return state


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one step; mode 0600 from its first byte."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)
