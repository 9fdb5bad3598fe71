"""Asking twice is asking once, and what cannot be understood is answered and kept."""

import uuid

import pytest

from tests.e2e.house import House, Place, at_once, eventually, run_async, states_of
from tests.e2e.queue import ask_by_queue


def test_ten_twins_with_one_key_make_one_execution(house: House, place: Place):
    workflow, key = house.workflow(), f"e2e-{uuid.uuid4()}"

    def ask():
        path, body = f"/workflows/{workflow}/executions", {"instance_id": place.id}
        return house.http.post(path, json=body, headers={"Idempotency-Key": key})

    answers = at_once([ask] * 10)
    found = house.all_ended(workflow, 1)

    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["id"] for answer in answers} == {found[0]["id"]}
    assert house.simulator.stats(place)["executions_created"] == 1


def test_a_key_used_for_another_request_is_refused(house: House, place: Place):
    path, key = f"/workflows/{house.workflow()}/executions", f"e2e-{uuid.uuid4()}"
    house.post(path, {"instance_id": place.id}, **{"Idempotency-Key": key})

    answer = house.http.post(
        path, json={"instance_id": place.id, "priority": 1}, headers={"Idempotency-Key": key}
    )

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"


def test_a_message_sent_twice_is_accepted_once_and_answered_alike(house: House, place: Place):
    workflow = house.workflow()
    item = {"workflow_id": workflow, "instance_id": place.id}
    request = {"request_id": f"e2e-{uuid.uuid4()}", "items": [item, item]}

    first, second = run_async(ask_by_queue(house.stack.found.amqp_url, request, times=2))
    found = house.all_ended(workflow, 2)

    assert first == second
    assert states_of(found) == {"completed"}
    assert house.simulator.stats(place)["executions_created"] == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff not json", "invalid_request"),
        ({"request_id": "e2e", "items": []}, "invalid_request"),
        (
            {
                "request_id": "e2e-nobody",
                "items": [{"workflow_id": "wf_x", "instance_id": "nobody"}],
            },
            "unknown_items",
        ),
    ],
    ids=["not JSON", "no items", "unknown workflow"],
)
def test_a_bad_message_is_answered_with_a_problem_and_kept_with_its_reason(
    house: House, body: object, reason: str
):
    def letters():
        query = (
            "select * from dead_letters where queue = 'amcflow.requests' and id > $1 order by id"
        )
        return house.sql(query, before)

    before = house.sql("select coalesce(max(id), 0) as id from dead_letters")[0]["id"]
    ((kind, answer),) = run_async(ask_by_queue(house.stack.found.amqp_url, body))
    (letter,) = eventually(letters, len)

    assert kind == "request_refused.v1"
    assert answer["problem"]["status"] in {400, 422}
    assert answer["problem"]["detail"]
    assert letter["reason"].startswith(reason)
