"""The life of an execution as data."""

from itertools import product

import pytest

from shared.domain.states import (
    AT_AMC,
    FINAL,
    HOLDING_A_SLOT,
    TRANSITIONS,
    ExecutionState,
    may_move,
)

S = ExecutionState


def test_every_state_has_its_moves_listed() -> None:
    assert set(TRANSITIONS) == set(ExecutionState)


def test_three_states_are_final() -> None:
    assert {S.COMPLETED, S.FAILED, S.CANCELLED} == FINAL


@pytest.mark.parametrize(
    ("old", "new"), list(product(sorted(FINAL), ExecutionState)), ids="->".join
)
def test_what_is_final_never_moves(old: S, new: S) -> None:
    assert not may_move(old, new)


def test_every_state_can_be_reached_and_has_a_way_to_an_end() -> None:
    def reachable(begin: S) -> set[S]:
        found, wave = {begin}, {begin}
        while wave := {new for old in wave for new in TRANSITIONS[old]} - found:
            found |= wave
        return found

    assert reachable(S.QUEUED) == set(ExecutionState)
    assert all(reachable(state) & FINAL for state in ExecutionState)


def test_the_only_way_back_is_from_submitting_to_the_queue() -> None:
    order = [S.QUEUED, S.SUBMITTING, S.PENDING, S.RUNNING, S.DOWNLOADING, S.COMPLETED]

    back = [
        (old, new)
        for old, moves in TRANSITIONS.items()
        for new in moves
        if old in order and new in order and order.index(new) <= order.index(old)
    ]

    assert back == [(S.SUBMITTING, S.QUEUED)]


def test_a_slot_is_held_from_admission_until_amc_has_finished() -> None:
    assert {S.SUBMITTING, S.PENDING, S.RUNNING} == HOLDING_A_SLOT
    assert AT_AMC < HOLDING_A_SLOT
    assert not HOLDING_A_SLOT & FINAL


@pytest.mark.parametrize("old", sorted(AT_AMC), ids=str)
def test_our_cancellation_of_a_download_comes_too_late(old: S) -> None:
    assert may_move(old, S.CANCELLED)
    assert not may_move(S.DOWNLOADING, S.CANCELLED)
