"""Every error of ours has a verdict, and the table is the one people read about."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.domain import errors
from shared.domain.errors import AmcflowError, TransientError
from shared.messaging.verdict import Action, backoff, judge


def family(root: type[AmcflowError]) -> Iterator[type[AmcflowError]]:
    """Of the tree all services share: the API's own errors never meet a consumer."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from family(child)


ACTIONS = {
    errors.ConflictError: Action.ACK,
    errors.NotFound: Action.ACK,
    errors.ContractError: Action.PARK,
    errors.InvalidRequest: Action.PARK,
    errors.InDoubtError: Action.PARK,
    errors.PermanentError: Action.PARK,
    errors.TransientError: Action.POSTPONE,
}
EXPECTED = {kind: action for root, action in ACTIONS.items() for kind in family(root)} | {
    errors.DatabaseUnavailable: Action.RETURN,
    errors.AmcflowError: Action.POSTPONE,
}


@pytest.mark.parametrize("kind", sorted(set(family(AmcflowError)), key=lambda kind: kind.__name__))
def test_every_error_has_its_verdict_and_its_code_as_the_reason(kind: type[AmcflowError]) -> None:
    verdict = judge(kind("what happened"), attempt=1)

    assert (verdict.action, verdict.reason) == (EXPECTED[kind], kind.code)


def test_no_error_is_an_ack() -> None:
    assert judge(None, attempt=1).action is Action.ACK


def test_an_unknown_error_is_a_bug_and_postponed() -> None:
    verdict = judge(ZeroDivisionError(), attempt=3)

    assert (verdict.action, verdict.reason) == (Action.POSTPONE, "bug")
    assert (verdict.is_bug, verdict.wait) == (True, timedelta(seconds=4))


def test_an_error_that_names_a_wait_gets_it() -> None:
    error = TransientError("later", wait=timedelta(seconds=77))

    assert judge(error, attempt=1).wait == timedelta(seconds=77)


@pytest.mark.parametrize("error", [ZeroDivisionError(), TransientError("again")])
def test_the_last_attempt_parks(error: Exception) -> None:
    assert judge(error, attempt=2, max_attempts=3).action is Action.POSTPONE
    assert judge(error, attempt=3, max_attempts=3).action is Action.PARK


@pytest.mark.parametrize("error", [errors.ContractError("wrong"), ZeroDivisionError()])
def test_without_a_limit_nothing_is_parked(error: Exception) -> None:
    verdict = judge(error, attempt=10_000, max_attempts=None)

    assert verdict.action is Action.POSTPONE
    assert verdict.wait == timedelta(minutes=5)


def test_the_database_away_never_parks() -> None:
    error = errors.DatabaseUnavailable("gone")

    assert judge(error, attempt=99, max_attempts=3).action is Action.RETURN


def test_waits_double_up_to_five_minutes() -> None:
    seconds = [backoff(attempt).total_seconds() for attempt in (1, 2, 3, 9, 10, 1_000_000)]

    assert seconds == [1, 2, 4, 256, 300, 300]
