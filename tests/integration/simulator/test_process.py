"""The real process on a real port: its life, its whole way, and cut connections."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid

import httpx
import pytest

SQL = "SELECT campaign, SUM(impressions) AS imps FROM dsp_impressions GROUP BY campaign"
DEADLINE_SECONDS = 10


def create_workflow(amc: httpx.Client, sql: str = SQL) -> str:
    workflow_id = f"wf-{uuid.uuid4()}"
    answer = amc.post("/workflows", json={"workflowId": workflow_id, "sqlQuery": sql})
    assert answer.status_code == 200, answer.text
    return workflow_id


def run(amc: httpx.Client, workflow_id: str) -> str:
    answer = amc.post("/workflowExecutions", json={"workflowId": workflow_id})
    return answer.raise_for_status().json()["workflowExecutionId"]


def eventually(look, wanted):
    """The first answer of `look` that `wanted` accepts, before the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not wanted(found := look()):
        assert time.monotonic() < deadline, found
    return found


def finished(amc: httpx.Client, execution_id: str) -> dict:
    return eventually(
        lambda: amc.get(f"/workflowExecutions/{execution_id}").json(),
        lambda shown: shown["status"] not in {"PENDING", "RUNNING"},
    )


def links(amc: httpx.Client, execution_id: str) -> list[str]:
    answer = amc.get(f"/workflowExecutions/{execution_id}/downloadUrls")
    return answer.raise_for_status().json()["downloadUrls"]


def test_a_workflow_runs_from_token_to_rows(simulator, amc):
    execution_id = run(amc, create_workflow(amc))

    shown = finished(amc, execution_id)
    content = httpx.get(links(amc, execution_id)[0]).raise_for_status().content

    listed = simulator.seen("executions?instance_id=amcsimnwus1")["executions"]
    known = next(e for e in listed if e["id"] == execution_id)
    assert shown["status"] == "SUCCEEDED"
    assert known["sha256"] == hashlib.sha256(content).hexdigest()
    assert known["rows"] == content.count(b"\n") - 1


def test_parts_are_streamed_whole(simulator, amc):
    execution_id = run(amc, create_workflow(amc, f"{SQL} -- simulator: rows 60000"))
    finished(amc, execution_id)

    parts = [httpx.get(url).raise_for_status() for url in links(amc, execution_id)]

    assert len(parts) == 5
    assert sum(part.content.count(b"\n") - 1 for part in parts) == 60_000
    assert all(int(part.headers["content-length"]) == len(part.content) for part in parts)


def test_a_link_expires_in_wall_time(simulator, amc):
    execution_id = run(amc, create_workflow(amc))
    finished(amc, execution_id)
    (url, *_) = links(amc, execution_id)
    assert httpx.get(url).status_code == 200

    expired = eventually(lambda: httpx.get(url), lambda answer: answer.status_code == 403)

    assert b"Request has expired" in expired.content


@pytest.mark.parametrize("fault", ["drop-before", "drop-after", "late-create-drop:0.01"])
def test_a_dropped_connection_gives_no_answer(simulator, amc, fault):
    workflow_id = create_workflow(amc)
    simulator.control("faults", {"fault": fault, "match": {"method": "POST"}})

    # An orderly end or a reset, by whether the body of the request was read yet.
    with pytest.raises(httpx.TransportError):
        run(amc, workflow_id)

    path = f"/workflowExecutions?workflowId={workflow_id}"
    expected = 0 if fault == "drop-before" else 1
    found = eventually(
        lambda: amc.get(path).json()["executions"], lambda executions: len(executions) == expected
    )
    assert len(found) == expected
    assert 0 in {e["status"] for e in simulator.seen("journal")["entries"]}


@pytest.mark.parametrize("of_the_file", [True, False])
def test_a_truncated_answer_breaks_off_before_its_length(simulator, amc, of_the_file):
    execution_id = run(amc, create_workflow(amc))
    finished(amc, execution_id)
    (url, *_) = links(amc, execution_id)
    pattern = "^/_simulator/s3/" if of_the_file else "^/amc/"
    simulator.control("faults", {"fault": "truncate", "match": {"path_regex": pattern}})

    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url) if of_the_file else amc.get(f"/workflowExecutions/{execution_id}")


def test_a_wrong_length_promises_more_than_comes(simulator, amc):
    execution_id = run(amc, create_workflow(amc))
    finished(amc, execution_id)
    (url, *_) = links(amc, execution_id)
    rule = {"fault": "wrong-length", "match": {"path_regex": "^/_simulator/s3/"}}
    simulator.control("faults", rule)

    with httpx.stream("GET", url) as answer, pytest.raises(httpx.RemoteProtocolError):
        answer.read()


def test_a_short_body_is_whole_by_its_length_and_lacks_its_end(simulator, amc):
    execution_id = run(amc, create_workflow(amc))
    finished(amc, execution_id)
    (url, *_) = links(amc, execution_id)
    rule = {"fault": "short-body", "match": {"path_regex": "^/_simulator/s3/"}}
    simulator.control("faults", rule)

    short, whole = httpx.get(url), httpx.get(url)

    assert int(short.headers["content-length"]) == len(short.content) == len(whole.content) // 2


def test_a_slow_answer_comes_late_and_holds_nobody_else_up(simulator, amc):
    simulator.control("faults", {"fault": "slow:0.5", "match": {"path_regex": "workflows$"}})
    slow = threading.Thread(target=amc.get, args=("/workflows",))
    began = time.monotonic()
    slow.start()

    simulator.seen("health")
    quick = time.monotonic() - began
    slow.join(DEADLINE_SECONDS)

    assert quick < 0.5 <= time.monotonic() - began


def test_a_burst_on_one_connection_is_cut_at_the_limit(simulator, amc):
    simulator.control("switches", {"limits_enabled": True})
    simulator.control("reset-stats", {})

    statuses = [amc.get("/workflows").status_code for _ in range(15)]

    seen = simulator.seen("stats")["instances"]["amcsimnwus1"]
    assert seen["peak_accepted_per_second"] <= 10
    assert statuses.count(429) == seen["throttled"]["rate"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_a_second_even_with_a_request_open(start, signum):
    process = start()
    process.control("faults", {"fault": "slow:30"})
    open_request = threading.Thread(target=is_broken_off, args=(process.url,))
    open_request.start()
    eventually(lambda: process.seen("faults")["faults"], lambda faults: faults == [])
    began = time.monotonic()

    os.kill(process.popen.pid, signum)

    assert process.popen.wait(DEADLINE_SECONDS) == 0
    assert time.monotonic() - began < 1
    open_request.join(DEADLINE_SECONDS)


def is_broken_off(url: str) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{url}/amc/accounts", timeout=DEADLINE_SECONDS)


def test_a_port_in_use_is_one_line_and_exit_code_2(simulator):
    port = simulator.url.rpartition(":")[2]

    ended = subprocess.run(
        [sys.executable, "-m", "services.simulator", "--port", port],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stderr.startswith("simulator: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(("engine", "code"), [("duckdb", 2), ("made-up", 0)])
def test_without_duckdb_only_the_engine_that_needs_it_is_refused(engine, code):
    without = "import sys; sys.modules['duckdb'] = None; "
    start = "from services.simulator.__main__ import main; sys.exit(main(sys.argv[1:]))"

    ended = subprocess.run(
        [sys.executable, "-c", without + start, "--check", "--engine", engine],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert ended.returncode == code
    assert ended.stderr.count("\n") == (1 if code else 0)
    assert ("install amcflow[simulator], or choose --engine made-up" in ended.stderr) == bool(code)
