"""A dashboard that comes and goes misses nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from tests.e2e.house import FINAL, House, Place


@contextmanager
def following(house: House, workflow: str, last_event_id: str | None) -> Iterator[Iterator[Any]]:
    """(stream id, event) of one workflow, until the client goes away."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    query = {"workflow_id": workflow}
    with house.http.stream("GET", "/events", params=query, headers=headers) as answer:
        yield read(answer.raise_for_status().iter_lines())


def read(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    stream_id = ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "id":
            stream_id = value
        elif name == "data":
            yield stream_id, json.loads(value)


@dataclass
class Reader:
    """A client that remembers where it was and what it has seen."""

    executions: list[str]
    last: str = "0"
    events: dict[int, tuple[str, str]] = field(default_factory=dict)

    def states(self, execution: str) -> list[str]:
        return [status for whose, status in self.events.values() if whose == execution]

    @property
    def is_done(self) -> bool:
        return all(FINAL.intersection(self.states(each)) for each in self.executions)

    def read(self, events: Iterator[tuple[str, dict[str, Any]]], *, most: int) -> None:
        for self.last, event in islice(events, most):
            if event["status"] is not None:
                self.events.setdefault(event["event_id"], (event["execution_id"], event["status"]))
            if self.is_done:
                break


def test_a_client_that_reconnects_sees_every_state_change_in_order(house: House, place: Place):
    workflow = house.workflow("duration 60")
    reader = Reader(house.run_many(workflow, place, 6))

    connections = 0
    while not reader.is_done:
        with following(house, workflow, reader.last) as events:
            reader.read(events, most=5)
        connections += 1

    assert connections > 3
    assert all(reader.states(each) == house.states(each) for each in reader.executions)


def test_a_live_stream_needs_no_last_event_id(house: House, place: Place):
    workflow = house.workflow()

    with following(house, workflow, None) as events:
        execution = house.run(workflow, place)
        statuses = []
        for _, event in events:
            statuses.append(event["status"])
            if event["status"] in FINAL:
                break

    assert [each for each in statuses if each] == house.states(execution)
