"""Writes docs/messages.md from the models and the topology.

python -m shared.messaging.document            writes it
python -m shared.messaging.document --check    exits with 1 if it would change
"""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import BaseModel

from shared.messaging.messages import (
    COMMANDS,
    AcceptedItem,
    Command,
    ExecutionChanged,
    ExecutionsAccepted,
    Message,
    Problem,
    ProblemField,
    RequestedItem,
    RequestExecutions,
    RequestRefused,
)
from shared.messaging.topology import Queue, Topology

PAGE: Final = Path(__file__).parents[2] / "docs" / "messages.md"

Schema: TypeAlias = Mapping[str, object]

_WORDS: Final = {"array": "list", "object": "object of strings"}
_BOUNDED_BY: Final = {
    "array": "Items",
    "object": "Properties",
    "string": "Length",
    "integer": "imum",
}

_HEAD: Final = """\
# Messages

Generated from `shared/messaging/messages.py` and `topology.py` by
`python -m shared.messaging.document`; a test compares. How other programs use the intake is told in
[queue-intake.md](queue-intake.md).

Every message is JSON, persistent and published with confirms. The AMQP property `type` holds the
type with its version, `message_id` a UUID that stays the same when a message is sent again, and
`correlation_id` the id of the request behind it. A message carries ids, never SQL, tokens or links.
Fields may be added to a version, so readers skip what they do not know; anything else is a new
version.
"""

_HEADERS: Final = """\
## Headers

| header | on | meaning |
| --- | --- | --- |
| `x-attempt` | a message that a timer brought back | which attempt this is, counted from 1 |
| `x-dead-reason` | a parked message | the error's code, or `bug` |
| `x-dead-detail` | a parked message | the error's text |
| `x-dead-queue` | a parked message | the queue it was taken from |
| `x-first-death-reason` | a message RabbitMQ set aside | `delivery_limit`: it came back 20 times |
| `x-owner` | a request | who asks, in the eyes of fairness; `queue` if absent |
| `amcflow-redrive` | a parked message that a person sent again | which time that was |
"""


def page() -> str:
    """The whole document."""
    topology = Topology()
    parts = [
        _HEAD,
        "## Queues\n",
        _queues(topology),
        _HEADERS,
        "## Commands\n",
        f"Published to `{topology.commands.name}` (direct).\n",
        *(_message(command, _way_of_command(command, topology)) for command in COMMANDS),
        "## Events\n",
        _message(
            ExecutionChanged,
            f"exchange `{topology.events.name}` (topic), routing key `execution.<to_state>`",
        ),
        "## Requests of other programs\n",
        _message(RequestExecutions, f"queue `{topology.intake.name}`; `type` may be left out"),
        _object(RequestedItem),
        _message(ExecutionsAccepted, "the queue in `reply_to`, with the request's correlation id"),
        _object(AcceptedItem),
        _message(RequestRefused, "the queue in `reply_to`, with the request's correlation id"),
        _object(Problem),
        _object(ProblemField),
    ]
    return "\n".join(parts)


def _queues(topology: Topology) -> str:
    rows = [
        (f"`{queue.name}`", _bound_to(queue), f"`{queue.dead}`") for queue in topology.work_queues
    ]
    note = (
        "All are durable quorum queues with the same arguments on RabbitMQ 3.10 to 4.x. What a\n"
        "consumer parks, and what comes back 20 times, goes through the exchange"
        f" `{topology.dead.name}` into\nthe dead-letter queue, which the scheduler records.\n"
    )
    return _table(("queue", "bound to", "dead letters"), rows) + "\n" + note


def _bound_to(queue: Queue) -> str:
    if not queue.exchange:
        return "the default exchange, by its name"
    return f"`{queue.exchange}`, key `{queue.routing_key}`"


def _way_of_command(command: type[Command], topology: Topology) -> str:
    (queue,) = (each for each in topology.work_queues if each.routing_key == command.ROUTING_KEY)
    return f"routing key `{command.ROUTING_KEY}`, queue `{queue.name}`"


def _message(model: type[Message], way: str) -> str:
    return f"### `{model.TYPE}`\n\n{_doc(model)}\n\nGoes to: {way}.\n\n{_fields(model)}"


def _object(model: type[BaseModel]) -> str:
    return f"#### {model.__name__}\n\n{_doc(model)}\n\n{_fields(model)}"


def _doc(model: type[BaseModel]) -> str:
    lines = (line.strip() for line in (model.__doc__ or "").strip().splitlines())
    return "\n".join(lines)


def _fields(model: type[BaseModel]) -> str:
    schema: Schema = model.model_json_schema()
    properties = _mapping(schema["properties"])
    required = schema.get("required", ())
    rows = []
    for name, info in model.model_fields.items():
        must = "yes" if isinstance(required, list) and name in required else "no"
        shown = _kind(_mapping(properties[name]))
        rows.append((f"`{name}`", shown, must, info.description or ""))
    return _table(("field", "type", "required", "meaning"), rows)


def _kind(schema: Schema) -> str:
    """A JSON schema in words."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        return "as in the API" if name == "JsonValue" else name
    if "anyOf" in schema:
        choices = (_kind(each) for each in _list(schema["anyOf"]) if each.get("type") != "null")
        return " or ".join(choices)
    kind = str(schema["type"])
    form = f" ({schema['format']})" if "format" in schema else ""
    items = f" of {_kind(_mapping(schema['items']))}" if "items" in schema else ""
    return _WORDS.get(kind, kind) + form + _bounds(schema, _BOUNDED_BY.get(kind, "")) + items


def _bounds(schema: Schema, of: str) -> str:
    low, high = schema.get(f"min{of}"), schema.get(f"max{of}")
    if low is None and high is None:
        return ""
    if low is None:
        return f" (up to {high})"
    return f" ({low} or more)" if high is None else f" ({low} to {high})"


def _mapping(value: object) -> Schema:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object in the schema, found {value!r}")
    return value


def _list(value: object) -> list[Schema]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list in the schema, found {value!r}")
    return value


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main(arguments: list[str] | None = None) -> int:
    """The command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m shared.messaging.document")
    parser.add_argument("--check", action="store_true", help="only compare")
    checking = parser.parse_args(arguments).check
    wanted = page()
    if not checking:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    sys.stderr.write(f"{PAGE.name} is not what the models say; run {parser.prog}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
