"""What an operator does at the command line, on the running system."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aio_pika
import pytest

from cli.__main__ import run
from cli.session import Session
from tests.e2e.house import FINAL, House, Place, eventually, run_async, states_of
from tests.e2e.queue import QUEUE, ask_by_queue


@dataclass
class Shell:
    """`amcflow ... --json`, with the exit code that is expected."""

    house: House
    capture: pytest.CaptureFixture[str]

    def __call__(self, *words: str, code: int = 0) -> Any:
        stack = self.house.stack
        environment = {
            "AMCFLOW_URL": stack.api_url,
            "AMCFLOW_TOKEN": stack.secrets.service_token,
        }
        self.capture.readouterr()
        found = run([*words, "--json"], Session(environment))
        said = self.capture.readouterr()
        assert found == code, said.err
        assert stack.secrets.service_token not in said.out + said.err
        return json.loads(said.out) if said.out else None


@pytest.fixture
def amcflow(house: House, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(house, capsys)


def send(house: House, body: bytes, **properties: Any) -> None:
    """Another program's message, whatever it is."""

    async def publish() -> None:
        async with await aio_pika.connect(house.stack.found.amqp_url) as connection:
            channel = await connection.channel()
            message = aio_pika.Message(body, delivery_mode=2, **properties)
            await channel.default_exchange.publish(message, QUEUE)

    run_async(publish())


def parked_with(amcflow: Shell, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The open parked message that fits, once there is one."""

    def look() -> list[dict[str, Any]]:
        items = amcflow("admin", "parked", "list", "--limit", "200")
        shown = [amcflow("admin", "parked", "show", str(item["id"])) for item in items]
        return [each for each in shown if wanted(each)]

    return eventually(look, lambda found: found)[0]


def test_a_parked_request_is_sent_again_once_its_cause_is_gone(house: House, amcflow: Shell):
    workflow, request_id = house.workflow(), f"operator-{uuid4()}"
    instance = f"amclater{uuid4().hex[:8]}"
    item = {"workflow_id": workflow, "instance_id": instance}
    body = {"request_id": request_id, "items": [item]}
    run_async(ask_by_queue(house.stack.found.amqp_url, body))
    first = parked_with(amcflow, lambda each: request_id in each["body"])

    amcflow("admin", "parked", "redrive", str(first["id"]))
    again = parked_with(amcflow, lambda each: each["id"] == first["id"])
    place = house.place()
    entry = {"instanceId": instance, "accountId": place.entity_id}
    house.simulator.tell("world", {"instances": [entry]})
    house.post("/instances", {"instance_id": instance, "account_id": place.account_id})
    amcflow("admin", "parked", "redrive", "--all", "--queue", QUEUE)
    amcflow("admin", "parked", "redrive", str(first["id"]), code=1)
    found = house.all_ended(workflow, 1)

    assert (first["reason"], again["parked_count"]) == ("unknown_items", 2)
    assert [event["kind"] for event in again["history"]] == ["parked", "redriven", "parked"]
    assert states_of(found) == {"completed"}


def test_what_nobody_can_parse_is_kept_shown_and_discarded(house: House, amcflow: Shell):
    mark = uuid4().hex
    send(house, b"\xff\x00\x1b[2J" + mark.encode() + b"x" * 300_000, type="\x1b]0;title")
    letter = parked_with(amcflow, lambda each: mark in each["body"])

    amcflow("admin", "parked", "redrive", str(letter["id"]), code=1)
    amcflow("admin", "parked", "discard", str(letter["id"]), "--reason", "noise")
    shown = amcflow("admin", "parked", "show", str(letter["id"]))

    assert letter["body"].startswith("\ufffd\ufffd\\x1b[2J")
    assert letter["body_is_cut"]
    assert shown["status"] == "discarded"
    assert shown["history"][-1]["detail"] == "noise"


def test_what_was_started_by_hand_is_found_and_adopted_with_its_rows(
    house: House, place: Place, amcflow: Shell
):
    workflow = house.workflow()
    known = house.ended(house.run(workflow, place))
    house.at_amazon_by_hand(place).run(known["amc_workflow_id"], times=1)

    (run_of_all,) = amcflow("admin", "reconcile", "start", place.id)
    shown = amcflow("admin", "reconcile", "show", run_of_all["id"])
    (found,) = shown["executions"]
    amcflow("admin", "reconcile", "cancel", run_of_all["id"], found["amc_execution_id"], code=1)
    adopted = amcflow("admin", "reconcile", "adopt", run_of_all["id"], found["amc_execution_id"])
    ended = amcflow("executions", "wait", adopted["adopted_as"])

    assert (run_of_all["status"], found["kind"], found["workflow_id"]) == (
        "done",
        "foreign",
        workflow,
    )
    assert ended["status"] == "completed"
    assert house.rows_by_sql(ended["id"]) == ended["row_count"] > 0
    assert "adopted" in " ".join(house.story(ended["id"]))
    assert len(house.at_amazon(ended["id"], place)) == 2


def test_what_is_somebody_elses_is_reported_and_left_alone(
    house: House, place: Place, amcflow: Shell
):
    by_hand = house.at_amazon_by_hand(place)
    by_hand.http.post(
        f"{by_hand.base}/workflows",
        json={"workflowId": "theirs", "sqlQuery": "SELECT COUNT(*) AS n FROM dsp_impressions"},
        headers=by_hand.headers,
    ).raise_for_status()
    by_hand.run("theirs", times=2)

    (run_of_all,) = amcflow("admin", "reconcile", "start", place.id)
    found = amcflow("admin", "reconcile", "show", run_of_all["id"])["executions"]
    for each in found:
        name = each["amc_execution_id"]
        amcflow("admin", "reconcile", "adopt", run_of_all["id"], name, code=1)
        amcflow("admin", "reconcile", "cancel", run_of_all["id"], name, code=1)
    made = eventually(
        lambda: house.simulator.executions(place),
        lambda all_made: all(each["status"] == "SUCCEEDED" for each in all_made),
    )

    assert [(each["kind"], each["workflow_id"]) for each in found] == [("foreign", None)] * 2
    assert len(made) == 2


def test_pausing_under_load_keeps_work_queued_and_resuming_starts_it_at_once(
    house: House, amcflow: Shell
):
    place = house.place(max_concurrent_executions=4)
    workflow, count = house.workflow("duration 60"), 24
    house.run_many(workflow, place, count)
    eventually(
        lambda: house.all_of(workflow), lambda all_of: sum(e["status"] in FINAL for e in all_of) > 3
    )

    amcflow("admin", "instances", "pause", place.id, "--reason", "maintenance")
    # A slot is free before its result is loaded.
    eventually(
        lambda: house.all_of(workflow),
        lambda all_of: all(each["status"] in FINAL | {"queued"} for each in all_of),
    )
    in_use = house.limits(place)["in_use"]
    made = len(house.simulator.executions(place))
    held = amcflow("executions", "list", "--instance", place.id, "--status", "queued")
    waiting = house.shown(held[0]["id"])["waiting_for"]
    house.run(workflow, place)
    ended = [each["status"] for each in house.all_of(workflow) if each["status"] in FINAL]
    still = len(house.simulator.executions(place))
    resumed = amcflow("admin", "instances", "resume", place.id)
    found = house.all_ended(workflow, count + 1, within=40)

    assert (waiting, in_use, len(held) + len(ended)) == ("paused", 0, count)
    assert made == still == len(ended)
    assert set(ended) == {"completed"}
    assert resumed["in_use"] == 4
    assert states_of(found) == {"completed"}
    assert len(house.simulator.executions(place)) == count + 1
    assert house.simulator.stats(place)["peak_active"] <= 4
