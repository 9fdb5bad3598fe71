"""The database's time, as a process was told it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain import clock

NOON = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
HOUR = 3600.0


class Machine:
    """What this machine's two clocks show."""

    def __init__(self) -> None:
        self.wall = NOON.timestamp()
        self.monotonic = 500.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    machine = Machine()
    monkeypatch.setattr(time, "time", lambda: machine.wall)
    monkeypatch.setattr(time, "monotonic", lambda: machine.monotonic)
    clock.forget()
    yield machine
    clock.forget()
    clock.make_wrong(by_seconds=0)


def test_before_the_database_has_told_it_is_the_machines(machine: Machine) -> None:
    assert clock.utc_now() == NOON

    clock.make_wrong(by_seconds=-HOUR)

    assert clock.utc_now() == NOON - timedelta(hours=1)


@pytest.mark.parametrize("wrong_by", [-HOUR, HOUR])
def test_once_told_it_is_the_databases(machine: Machine, wrong_by: float) -> None:
    clock.make_wrong(by_seconds=wrong_by)

    clock.agree(NOON + timedelta(minutes=1), asked_at=machine.monotonic)
    machine.pass_by(5)

    assert clock.utc_now() == NOON + timedelta(minutes=1, seconds=5)


def test_a_step_of_the_machines_clock_changes_nothing(machine: Machine) -> None:
    clock.agree(NOON, asked_at=machine.monotonic)

    machine.wall += HOUR

    assert clock.utc_now() == NOON


def test_the_way_of_the_answer_counts_half(machine: Machine) -> None:
    asked_at = machine.monotonic
    machine.pass_by(0.2)

    clock.agree(NOON, asked_at=asked_at)

    assert clock.utc_now() == NOON + timedelta(milliseconds=100)


def test_an_answer_that_was_long_on_its_way_tells_nothing_new(machine: Machine) -> None:
    clock.agree(NOON, asked_at=machine.monotonic)
    asked_at = machine.monotonic
    machine.pass_by(30)

    clock.agree(NOON + timedelta(seconds=1), asked_at=asked_at)

    assert clock.utc_now() == NOON + timedelta(seconds=30)
