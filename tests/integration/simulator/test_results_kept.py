"""Results of the SQL over a kill and a new start, and while somebody waits for one."""

import time

import httpx
import pytest

from deploy.local.owned import wait_until
from tests.integration.simulator.conftest import log_in
from tests.integration.simulator.test_sql import CAMPAIGNS, WEEK, ended, lines

USERS = ("--users", "1000", "--time-scale", "600")


@pytest.fixture
def restart(start, tmp_path):
    """A simulator on the same state and data; the one before dies as by a power cut."""
    running = []

    def starting(*flags: str):
        while running:
            dead = running.pop().popen
            dead.kill()
            dead.wait(10)
        folders = ("--data-folder", str(tmp_path / "data"), "--state", str(tmp_path / "state"))
        running.append(start(*USERS, *folders, *flags))
        running[-1].control("switches", {"limits_enabled": False})
        return running[-1]

    return starting


def told(process) -> list[tuple[str, str, int, str | None]]:
    """What is told of each execution's result."""
    found = process.seen("executions")["executions"]
    return [(each["id"], each["status"], each["rows"], each["sha256"]) for each in found]


def test_rows_hash_and_files_are_the_same_after_a_kill(restart):
    first = restart("--duration-profile", "fixed:60")
    with log_in(first.url) as amc:
        execution = ended(amc, CAMPAIGNS)
        before, files = told(first), lines(amc, execution)

    # Another seed has other data: the answer is the one that was given.
    second = restart("--duration-profile", "fixed:60", "--seed", "8")

    with log_in(second.url) as amc:
        assert lines(amc, execution) == files
    assert told(second) == before
    assert before[0][2] == len(files) - 1 == 18


def test_a_result_whose_file_is_gone_is_worked_out_again(restart, tmp_path):
    first = restart("--duration-profile", "fixed:60")
    with log_in(first.url) as amc:
        ended(amc, CAMPAIGNS)
        before = told(first)
    for path in (tmp_path / "state.results").iterdir():
        path.unlink()

    assert told(restart("--duration-profile", "fixed:60")) == before


def test_what_was_running_runs_again_and_ends(restart):
    first = restart("--duration-profile", "fixed:1200")
    with log_in(first.url) as amc:
        body = {"workflow": {"sqlQuery": CAMPAIGNS}, **WEEK}
        made = amc.post("/workflowExecutions", json=body).raise_for_status().json()
        path = f"/workflowExecutions/{made['workflowExecutionId']}"
        assert reached(amc, path, "RUNNING")["status"] == "RUNNING"

    second = restart("--duration-profile", "fixed:1200")

    with log_in(second.url) as amc:
        found = reached(amc, path, "SUCCEEDED")
        assert len(lines(amc, found)) == 19
    assert told(second)[0][2] == 18


def test_a_query_runs_while_nobody_asks(restart, tmp_path):
    first = restart("--duration-profile", "fixed:60")
    with log_in(first.url) as amc:
        body = {"workflow": {"sqlQuery": CAMPAIGNS}, **WEEK}
        amc.post("/workflowExecutions", json=body).raise_for_status()

    results = tmp_path / "state.results"
    assert wait_until(lambda: any(results.glob("*.csv")), seconds=30)


def reached(amc: httpx.Client, path: str, status: str) -> dict:
    """The execution when it has come to a status, or to its end."""
    deadline = time.monotonic() + 30
    while (found := amc.get(path).json())["status"] not in {status, "SUCCEEDED", "FAILED"}:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found
