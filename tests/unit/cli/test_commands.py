"""What each command asks, prints and leaves as its exit code."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.cli.conftest import Shell, page, problem

PARKED = {
    "id": 7,
    "status": "open",
    "kind": "cancel_stray.v1",
    "reason": "bug",
    "parked_count": 1,
    "last_parked_at": "2026-01-02T03:04:05.678Z",
    "execution_id": None,
    "execution_status": None,
    "history": [{"at": "2026-01-02T03:04:05Z", "kind": "parked", "by": None, "detail": "bug"}],
    "body": "{}",
}
RUN = {"id": "rc_1", "instance_id": "amcone", "status": "done", "found": {"stray": 0}}
EXECUTION = {"id": "ex_1", "status": "queued"}


def test_a_list_is_a_table_for_people(shell: Shell) -> None:
    shell.will("GET /admin/parked", page(PARKED))

    code, out, err = shell.type("admin", "parked", "list", "--reason", "bug", "--older-than", "2h")

    assert code == 0
    assert out.splitlines()[0].split()[:3] == ["ID", "STATUS", "KIND"]
    assert "2026-01-02 03:04:05Z" in out
    assert "amcflow admin parked show" in err
    query = shell.asked[0].url.params
    assert (query["reason"], query["status"], "queue" in query) == ("bug", "open", False)
    assert query["parked_before"].endswith("+00:00")


def test_a_list_is_json_for_programs(shell: Shell) -> None:
    shell.will("GET /admin/parked", page(PARKED, next_cursor="c"), page({**PARKED, "id": 6}))

    code, out, err = shell.type("admin", "parked", "list", "--json")

    assert (code, err) == (0, "")
    assert [item["id"] for item in json.loads(out)] == [7, 6]
    assert shell.asked[1].url.params["cursor"] == "c"


def test_nothing_is_printed_as_a_sentence_or_an_empty_list(shell: Shell) -> None:
    shell.will("GET /admin/parked", page())

    assert shell.type("admin", "parked", "list")[1:] == ("", "Nothing is parked.\n")
    assert shell.type("admin", "parked", "list", "--json")[1] == "[]\n"


def test_a_limit_ends_a_list_on_the_page(shell: Shell) -> None:
    shell.will("GET /executions", page(EXECUTION, EXECUTION, next_cursor="c"))

    shell.type("executions", "list", "--limit", "2")

    assert [request.url.params["limit"] for request in shell.asked] == ["2"]


@pytest.mark.parametrize(
    ("state", "advice"),
    [
        ({}, "parked redrive 7"),
        ({"execution_id": "ex_1", "execution_status": "failed"}, "parked discard 7"),
        ({"status": "redriven"}, "nothing; it is settled"),
    ],
)
def test_a_parked_message_is_shown_with_what_to_do(
    shell: Shell, state: dict[str, str], advice: str
) -> None:
    shell.will("GET /admin/parked/7", {**PARKED, **state})

    code, out, err = shell.type("admin", "parked", "show", "7")

    assert (code, advice in err) == (0, True)
    assert "reason" in out


def test_messages_are_sent_again_one_by_one_and_a_refusal_is_told(shell: Shell) -> None:
    shell.will("POST /admin/parked/7/redrive", {**PARKED, "status": "redriven"})
    shell.will("POST /admin/parked/8/redrive", problem(409, "already_settled", "It is settled."))

    code, out, err = shell.type("admin", "parked", "redrive", "8", "7")

    assert code == 1
    assert "redriven" in out
    assert "8: It is settled. [already_settled]" in err
    assert "1 of 2 were left as they are" in err


def test_all_are_sent_again_until_there_are_no_more(shell: Shell) -> None:
    shell.will(
        "POST /admin/parked/redrive",
        {"sent": [1, 2], "left_alone": [], "after": 2, "has_more": True},
        {"sent": [4], "left_alone": [{"id": 3, "why": "ended"}], "after": 4, "has_more": False},
    )

    code, out, _ = shell.type("admin", "parked", "redrive", "--all", "--kind", "k.v1")

    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["sent", "3"],
        ["LEFT", "ALONE", "WHY"],
        ["3", "ended"],
    ]
    assert [body["after"] for body in shell.bodies] == [0, 2]
    assert shell.bodies[0]["kind"] == "k.v1"


@pytest.mark.parametrize(
    "words",
    [
        ("admin", "parked", "redrive"),
        ("admin", "parked", "redrive", "7", "--all"),
        ("admin", "parked", "redrive", "7", "--reason", "bug"),
        ("admin", "parked", "discard", "7"),
        ("admin", "parked", "list", "--older-than", "soon"),
        ("admin", "instances", "pause", "amcone"),
        ("executions", "run", "wf_1", "amcone", "--request", "/nowhere"),
        ("nothing",),
    ],
)
def test_wrong_usage_is_2_and_asks_nothing(shell: Shell, words: tuple[str, ...]) -> None:
    assert shell.type(*words)[0] == 2
    assert shell.asked == []


def test_pausing_says_why_and_shows_what_is_left(shell: Shell) -> None:
    shell.will("POST /instances/amcone/pause", {})
    shell.will("GET /instances/amcone/limits", {"paused": True, "in_use": 3, "queued": 40})

    code, out, err = shell.type("admin", "instances", "pause", "amcone", "--reason", "403")

    assert (code, shell.bodies) == (0, [{"reason": "403"}])
    assert ["paused", "yes"] in [line.split() for line in out.splitlines()]
    assert "instances resume amcone" in err


def test_a_comparison_is_waited_for_and_its_findings_are_shown(shell: Shell) -> None:
    found = {**RUN, "found": {"stray": 1}}
    shell.will("POST /admin/reconciliations", {"items": [{**RUN, "status": "waiting"}]})
    shell.will("GET /admin/reconciliations/rc_1", {**RUN, "status": "running"}, found)
    shell.will(
        "GET /admin/reconciliations/rc_1/executions",
        page({"amc_execution_id": "amc-1", "kind": "stray"}),
    )

    code, out, err = shell.type("admin", "reconcile", "start", "amcone", "--since", "7d")

    assert code == 0
    assert "amc-1" in out
    assert "adopt|cancel rc_1" in err
    assert set(shell.bodies[0]) == {"instance_id", "since"}


def test_a_comparison_that_failed_is_1(shell: Shell) -> None:
    failed = {**RUN, "status": "failed", "error": {"code": "no_credential"}}
    shell.will("POST /admin/reconciliations", {"items": [failed]})

    code, out, err = shell.type("admin", "reconcile", "start")

    assert (code, "no_credential" in out, "1 of 1" in err) == (1, True, True)


@pytest.mark.parametrize("word", ["adopt", "cancel"])
def test_a_finding_is_decided_on(shell: Shell, word: str) -> None:
    answer = {"amc_execution_id": "amc/1", "adopted_as": "ex_1", "decision": "adopted"}
    shell.will(f"POST /admin/reconciliations/rc_1/executions/amc%2F1/{word}", answer)

    code, out, _ = shell.type("admin", "reconcile", word, "rc_1", "amc/1")

    assert (code, "ex_1" in out) == (0, True)


def test_a_run_is_asked_for_once_though_the_first_answer_is_lost(
    shell: Shell, tmp_path: Path
) -> None:
    request = tmp_path / "request.json"
    request.write_text('{"parameters": {"brand": "x"}}')
    shell.will("POST /workflows/wf_1/executions", httpx.ReadTimeout("no"), EXECUTION)
    shell.will("GET /executions/ex_1", EXECUTION)

    code, _, err = shell.type("executions", "run", "wf_1", "amcone", "--request", str(request))

    assert (code, "executions wait ex_1" in err) == (0, True)
    assert shell.bodies == [{"parameters": {"brand": "x"}, "instance_id": "amcone"}] * 2
    keys = [each.headers["Idempotency-Key"] for each in shell.asked if each.method == "POST"]
    assert len(set(keys)) == 1


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("failed", 1), ("cancelled", 1)])
def test_waiting_ends_with_the_execution_whatever_the_api_does_meanwhile(
    shell: Shell, status: str, code: int
) -> None:
    away = problem(503, "database_unavailable", "away")
    shell.will("GET /executions/ex_1", EXECUTION, away, {**EXECUTION, "status": status})

    assert shell.type("executions", "wait", "ex_1")[0] == code


def test_waiting_too_long_is_4(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.will("GET /executions/ex_1", EXECUTION)
    clock = iter(range(0, 1000, 7))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))

    code, _, err = shell.type("executions", "wait", "ex_1", "--timeout", "10")

    assert (code, "It goes on" in err) == (4, True)


def test_a_result_appears_once_all_of_it_is_there(shell: Shell, tmp_path: Path) -> None:
    shell.will("GET /executions/ex_1/download", httpx.Response(200, content=b"a,b\n1,2\n"))
    target = tmp_path / "out.csv"

    code, out, _ = shell.type("results", "download", "ex_1", "--output", str(target))

    assert (code, target.read_bytes()) == (0, b"a,b\n1,2\n")
    assert ["bytes", "8"] in [line.split() for line in out.splitlines()]
    assert list(tmp_path.iterdir()) == [target]


def test_a_download_that_is_refused_leaves_nothing(shell: Shell, tmp_path: Path) -> None:
    shell.will("GET /executions/ex_1/download", problem(409, "result_not_ready", "Not yet."))

    code, _, err = shell.type("results", "download", "ex_1", "--output", str(tmp_path / "x"))

    assert (code, "result_not_ready" in err, list(tmp_path.iterdir())) == (1, True, [])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (problem(404, "not_found", "No."), 1),
        (problem(401, "unauthenticated", "No."), 1),
        (problem(422, "invalid", "No.", errors=[{"loc": ["a", 1], "msg": "is wrong"}]), 1),
        (problem(503, "database_unavailable", "Away."), 3),
        (httpx.ConnectError("no"), 3),
        (httpx.Response(200, text="<html>"), 1),
        (httpx.Response(302, headers={"Location": "http://elsewhere"}), 1),
        (httpx.Response(200, json=[]), 1),
    ],
)
def test_what_goes_wrong_has_an_exit_code_and_a_hint(shell: Shell, answer: Any, code: int) -> None:
    shell.will("GET /executions/ex_1", answer)

    found, out, err = shell.type("executions", "show", "ex_1")

    assert (found, out) == (code, "")
    assert err.startswith("amcflow: ")
    assert len(err.splitlines()) >= 2


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AMCFLOW_TOKEN": " "},
        {"AMCFLOW_TOKEN": "a\nb"},
        {"AMCFLOW_TOKEN": "a", "AMCFLOW_URL": "x"},
    ],
)
def test_without_settings_nothing_is_asked(shell: Shell, environment: dict[str, str]) -> None:
    shell.environment = environment

    code, _, err = shell.type("executions", "list")

    assert (code, err.startswith("amcflow: AMCFLOW_")) == (2, True)


def test_what_strangers_wrote_moves_no_cursor_and_is_no_markup(shell: Shell) -> None:
    shell.will("GET /executions", page({**EXECUTION, "workflow_name": "\x1b[2J[red]x[/red]"}))

    out = shell.type("executions", "list")[1]

    assert "\\x1b[2J[red]x[/red]" in out


@pytest.mark.parametrize(
    "words", [(), ("admin",), ("admin", "parked"), ("executions",), ("results",)]
)
def test_every_group_explains_itself(shell: Shell, words: tuple[str, ...]) -> None:
    code, out, err = shell.type(*words, "--help")

    assert code == 0
    assert "Usage: amcflow" in out + err
