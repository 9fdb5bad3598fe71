"""The wire format, held still by samples: what was ever written can still be read."""

import json
from pathlib import Path

import pytest

from shared.domain.errors import InvalidRequest, UndecodableMessage
from shared.domain.states import ExecutionState
from shared.messaging.messages import (
    COMMANDS,
    EVENTS,
    INTAKE,
    ExecutionChanged,
    Message,
    PollInstance,
    RequestExecutions,
    SubmitExecution,
)

GOLDEN = Path(__file__).parent / "golden"
MESSAGES: dict[str, type[Message]] = {model.TYPE: model for model in (*COMMANDS, *EVENTS, *INTAKE)}
SAMPLES = sorted(path.name for path in GOLDEN.glob("*.json"))


def test_every_message_has_a_sample_of_its_version() -> None:
    assert [name.removesuffix(".json") for name in SAMPLES] == sorted(MESSAGES)


@pytest.mark.parametrize("name", SAMPLES)
def test_an_old_sample_is_still_read_and_written_alike(name: str) -> None:
    sample = (GOLDEN / name).read_bytes()
    model = MESSAGES[name.removesuffix(".json")]

    message = model.decode(sample)

    # By value: fields that had no value when the sample was taken may be left out.
    assert json.loads(message.model_dump_json(exclude_unset=True)) == json.loads(sample)
    assert model.decode(message.encode()) == message


@pytest.mark.parametrize("model", COMMANDS, ids=lambda model: model.TYPE)
def test_a_command_from_a_newer_writer_is_read(model: type[Message]) -> None:
    sample = json.loads((GOLDEN / f"{model.TYPE}.json").read_bytes())

    newer = model.decode(json.dumps({**sample, "field_of_tomorrow": 1}).encode())

    assert newer == model.decode(json.dumps(sample).encode())


@pytest.mark.parametrize("model", COMMANDS, ids=lambda model: model.TYPE)
def test_a_command_holds_nothing_but_ids(model: type[Message]) -> None:
    assert all(name.endswith("_id") for name in model.model_fields)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"execution_id": "not-a-uuid"}'])
def test_a_wrong_body_is_undecodable_and_its_values_are_not_repeated(body: bytes) -> None:
    with pytest.raises(UndecodableMessage) as caught:
        SubmitExecution.decode(body)

    assert "not-a-uuid" not in caught.value.message


def test_ids_for_the_log_are_texts() -> None:
    assert PollInstance(instance_id=7).ids() == {"instance_id": "7"}


def test_an_event_is_routed_by_the_state_it_leads_to() -> None:
    changed = ExecutionChanged.decode((GOLDEN / "execution_changed.v1.json").read_bytes())

    assert changed.routing_key == f"execution.{ExecutionState.FAILED}"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"request_id": ""}, ("request_id",)),
        ({"request_id": "x" * 201}, ("request_id",)),
        ({"items": []}, ("items",)),
        ({"items": [{"workflow_id": "wf_1"}]}, ("items", 0, "instance_id")),
        ({"items": [{"workflow_id": 1, "instance_id": 1, "sql": ""}]}, ("items", 0, "sql")),
        ({"priority": 10}, ("priority",)),
        ({"tags": {"a": 1}}, ("tags", "a")),
        ({"unknown": 1}, ("unknown",)),
    ],
)
def test_a_wrong_request_names_the_field(change: dict[str, object], where: tuple[object]) -> None:
    sample = json.loads((GOLDEN / "request_executions.v1.json").read_bytes())

    with pytest.raises(InvalidRequest) as caught:
        RequestExecutions.decode(json.dumps({**sample, **change}).encode())

    assert [problem.loc for problem in caught.value.problems] == [where]


def test_a_request_of_too_many_items_is_refused_as_one_problem() -> None:
    items = [{"workflow_id": "wf_1", "instance_id": "amc1"}] * 10_001
    body = json.dumps({"request_id": "r-1", "items": items}).encode()

    with pytest.raises(InvalidRequest) as caught:
        RequestExecutions.decode(body)

    assert len(caught.value.problems) == 1


def test_an_item_is_handed_on_as_it_was_given() -> None:
    given = {"workflow_id": "wf_1", "instance_id": "amc1", "priority": "high", "tags": None}
    body = json.dumps({"request_id": "r-1", "items": [given]}).encode()

    assert RequestExecutions.decode(body).items[0].as_given() == given
