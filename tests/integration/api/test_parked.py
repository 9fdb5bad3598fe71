"""Parked messages over HTTP."""

from typing import Any
from uuid import uuid4

import pytest

from shared.db.dead_letters import DeadLetter, DeadLetters
from tests.integration.api.conftest import Api, execution_uuid

PATH = "/api/v1/admin/parked"


async def park(api: Api, **overrides: Any) -> int:
    values: dict[str, Any] = {
        "queue": "submitter.cancel_execution",
        "message_id": str(uuid4()),
        "message_type": "cancel_stray.v1",
        "body": '{"instance_id": 1, "amc_execution_id": "a"}',
        "headers": {},
        "correlation_id": "r-1",
        "reason": "bug: KeyError('x')",
        **overrides,
    }
    await DeadLetters(api.database).record(DeadLetter(**values))
    newest: int = await api.database.fetchval("select max(id) from dead_letters")
    return newest


async def sent(api: Api) -> int:
    number: int = await api.database.fetchval(
        "select count(*) from outbox where headers ? 'amcflow-redrive'"
    )
    return number


async def test_open_ones_are_listed_page_by_page_newest_first(api: Api):
    ids = [await park(api) for _ in range(3)]
    await api.made(f"{PATH}/{ids[1]}/discard", {"reason": "no"})

    first = (await api.get(PATH, limit=1)).json()
    second = (await api.get(PATH, limit=1, cursor=first["next_cursor"])).json()
    everything = (await api.get(PATH, status="all")).json()

    assert [page["items"][0]["id"] for page in (first, second)] == [ids[2], ids[0]]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert [item["id"] for item in everything["items"]] == ids[::-1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"queue": "submitter.cancel_execution"}, 1),
        ({"queue": "amcflow.requests"}, 0),
        ({"kind": "cancel_stray.v1"}, 1),
        ({"reason": "bug"}, 1),
        ({"reason": "KeyError"}, 0),
        ({"parked_before": "2020-01-01T00:00:00Z"}, 0),
        ({"status": "redriven"}, 0),
    ],
)
async def test_a_list_is_narrowed(api: Api, query: dict[str, str], found: int):
    await park(api)

    assert len((await api.get(PATH, **query)).json()["items"]) == found


async def test_one_is_shown_with_reason_execution_and_history(api: Api):
    execution = await api.one()
    letter = await park(api, execution_id=execution_uuid(execution))

    shown = (await api.get(f"{PATH}/{letter}")).json()

    assert (shown["reason"], shown["detail"]) == ("bug", "KeyError('x')")
    assert (shown["execution_id"], shown["execution_status"]) == (execution, "queued")
    assert shown["body"] == '{"instance_id": 1, "amc_execution_id": "a"}'
    assert [event["kind"] for event in shown["history"]] == ["parked"]


async def test_what_nobody_can_parse_is_shown_harmlessly(api: Api):
    body = "\x1b[2J\ufffd<script> Atzr|IQEBsecret password=hunter2 " + "x" * 100_000
    letter = await park(api, body=body, message_type="\x1b]0;", reason="unknown")

    shown = (await api.get(f"{PATH}/{letter}")).json()

    assert shown["body"].startswith("\\x1b[2J")
    assert shown["kind"] == "\\x1b]0;"
    assert len(shown["body"]) <= 2_000
    assert shown["body_is_cut"]
    assert shown["size_bytes"] > 100_000
    assert "IQEBsecret" not in shown["body"]
    assert "hunter2" not in shown["body"]


async def test_one_is_sent_again_once(api: Api):
    letter = await park(api)

    shown = await api.made(f"{PATH}/{letter}/redrive", None)
    again = await api.post(f"{PATH}/{letter}/redrive")

    assert shown["status"] == "redriven"
    assert [(event["kind"], event["by"]) for event in shown["history"]] == [
        ("parked", None),
        ("redriven", "tester"),
    ]
    assert (again.status_code, again.json()["code"]) == (409, "already_settled")
    assert await sent(api) == 1
    assert api.hints.wakes >= 1


async def test_what_is_about_an_ended_execution_says_what_to_do_instead(api: Api):
    execution = await api.one()
    await api.put_in(execution, "cancelled")
    letter = await park(api, execution_id=execution_uuid(execution))

    response = await api.post(f"{PATH}/{letter}/redrive")

    assert (response.status_code, response.json()["code"]) == (409, "not_redrivable")
    assert "Retry the execution" in response.json()["hint"]
    assert await sent(api) == 0


async def test_many_are_sent_again_and_the_rest_is_named(api: Api):
    ids = [await park(api), await park(api, body="no json"), await park(api, reason="other")]

    answer = (await api.post(f"{PATH}/redrive", {"reason": "bug", "limit": 2})).json()
    rest = (await api.post(f"{PATH}/redrive", {"reason": "bug", "after": answer["after"]})).json()

    assert answer == {
        "sent": [ids[0]],
        "left_alone": [{"id": ids[1], "why": "unreadable"}],
        "after": ids[1],
        "has_more": True,
    }
    assert (rest["sent"], rest["has_more"]) == ([], False)


async def test_discarding_needs_a_reason_and_keeps_it(api: Api):
    letter = await park(api)

    without = await api.post(f"{PATH}/{letter}/discard", {"reason": " "})
    shown = await api.made(f"{PATH}/{letter}/discard", {"reason": "sent by mistake"})

    assert without.status_code == 422
    assert shown["status"] == "discarded"
    assert shown["history"][-1]["detail"] == "sent by mistake"


@pytest.mark.parametrize("parked_id", ["7", "x", "-1", "9" * 30, "%00", "²"])
async def test_an_id_that_is_none_is_404(api: Api, parked_id: str):
    for response in (
        await api.get(f"{PATH}/{parked_id}"),
        await api.post(f"{PATH}/{parked_id}/redrive"),
        await api.post(f"{PATH}/{parked_id}/discard", {"reason": "no"}),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
