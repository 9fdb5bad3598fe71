"""The real process with a state file: killed, started again, and one line for a bad file."""

import subprocess
import sys

import httpx

from tests.integration.simulator.conftest import end, log_in

SQL = "SELECT campaign, SUM(impressions) AS imps FROM dsp_impressions GROUP BY campaign"


def test_what_was_answered_is_still_true_after_a_kill(start, tmp_path):
    flags = ("--state", str(tmp_path / "state"))
    first = start(*flags)
    with log_in(first.url) as amc:
        amc.post("/workflows", json={"workflowId": "wf", "sqlQuery": SQL})
        made = amc.post("/workflowExecutions", json={"workflowId": "wf"}).json()
        token = amc.headers["authorization"]
    first.popen.kill()
    first.popen.wait(10)

    second = start(*flags)

    with log_in(second.url) as amc:
        amc.headers["authorization"] = token
        path = f"/workflowExecutions/{made['workflowExecutionId']}"
        assert amc.get(path).json()["createTime"] == made["createTime"]
        assert amc.get("/workflows/wf").json() == {"sqlQuery": SQL, "workflowId": "wf"}


def test_without_a_file_everything_is_thrown_away(start):
    first = start()
    with log_in(first.url) as amc:
        amc.post("/workflows", json={"workflowId": "wf", "sqlQuery": SQL})
    end(first)

    with log_in(start().url) as amc:
        assert amc.get("/workflows").json() == {"workflows": []}


def test_a_file_in_use_is_one_line_and_exit_code_2(start, tmp_path):
    flags = ("--state", str(tmp_path / "state"))
    running = start(*flags)

    second = subprocess.run(
        [sys.executable, "-m", "services.simulator", "--port", "0", *flags],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert httpx.get(f"{running.url}/_simulator/health").status_code == 200
