"""Places between two steps: nothing in production, an exact end in tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.paths import PROJECT
from shared.observability.stop_points import StopPoint, reach, reaching, watch
from tests.stop_points import Action, StopPoints

WORKER = """
import sys
from pathlib import Path
from shared.observability.logs import configure
from shared.observability.stop_points import StopPoint, reach, watch

configure(sys.argv[2], version="")
watch(Path(sys.argv[1]), service=sys.argv[2])
for point in StopPoint:
    print("before", point, flush=True)
    reach(point)
    print("after", point, flush=True)
"""


@pytest.fixture
def points(tmp_path: Path) -> Iterator[StopPoints]:
    points = StopPoints(tmp_path)
    points.prepare()
    yield points
    watch(None, service="")


def start(points: StopPoints, service: str = "worker") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(points.folder), service],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_while_nothing_is_watched_every_place_is_passed(points: StopPoints) -> None:
    points.arm(StopPoint.SUBMIT_INTENDED)

    for point in StopPoint:
        reach(point)

    assert points.struck() == []
    assert reaching(StopPoint.SUBMIT_INTENDED) is None


def test_while_nothing_is_armed_every_place_is_passed_and_seen(points: StopPoints) -> None:
    watch(points.folder, service="poller")

    for point in StopPoint:
        reach(point)

    assert points.struck() == []
    assert points.reached() == {point: {"poller"} for point in StopPoint}


@pytest.mark.parametrize("point", [StopPoint.ACCEPT_BEFORE_COMMIT, StopPoint.SUBMIT_INTENDED])
def test_a_process_dies_exactly_there(points: StopPoints, point: StopPoint) -> None:
    points.arm(point)

    worker = start(points)
    told, _ = worker.communicate(timeout=20)

    assert worker.returncode == -signal.SIGKILL
    assert told.splitlines()[-1] == f"before {point}"
    assert points.struck() == [(point, worker.pid)]


def test_a_frozen_process_goes_on_from_there(points: StopPoints) -> None:
    points.arm(StopPoint.POLL_LISTED, "stop")

    worker = start(points)
    _, status = os.waitpid(worker.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    os.kill(worker.pid, signal.SIGCONT)
    told, _ = worker.communicate(timeout=20)

    assert worker.returncode == 0
    assert f"after {StopPoint.POLL_LISTED}" in told


def test_of_many_processes_one_is_struck(points: StopPoints) -> None:
    points.arm(StopPoint.RELAY_CONFIRMED)

    workers = [start(points) for _ in range(4)]
    for worker in workers:
        worker.communicate(timeout=20)

    assert sorted(worker.returncode for worker in workers) == [-signal.SIGKILL, 0, 0, 0]
    assert len(points.struck()) == 1


def test_a_place_of_one_service_is_passed_by_the_others(points: StopPoints) -> None:
    points.arm(StopPoint.RELAY_CLAIMED, service="api")

    others, struck = start(points, "poller"), start(points, "api")
    others.communicate(timeout=20)
    struck.communicate(timeout=20)

    assert (others.returncode, struck.returncode) == (0, -signal.SIGKILL)


@pytest.mark.parametrize("action", ["kill", "stop", "term"])
def test_what_was_disarmed_strikes_nobody(points: StopPoints, action: Action) -> None:
    points.arm(StopPoint.TELL_READ, action)
    points.arm(StopPoint.TELL_READ, action, service="scheduler")

    assert points.disarm_all() == ["tell.read", "tell.read@scheduler"]

    watch(points.folder, service="scheduler")
    reach(StopPoint.TELL_READ)
    assert points.struck() == []
    assert not points.disarm(StopPoint.TELL_READ)


def test_a_strike_can_be_forgotten(points: StopPoints) -> None:
    points.arm(StopPoint.TELL_READ, "term")
    worker = start(points)
    worker.communicate(timeout=20)
    (strike,) = points.struck()

    points.forget(strike)

    assert points.struck() == []
