"""AMC's words for the state of an execution, in ours."""

import pytest

from shared.domain.remote import REMOTE_FINAL, RemoteStatus, is_final, state_of
from shared.domain.states import ExecutionState


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("PENDING", "pending"),
        ("RUNNING", "running"),
        ("PUBLISHING", "running"),
        ("SUCCEEDED", "downloading"),
        ("FAILED", "failed"),
        ("REJECTED", "failed"),
        ("CANCELLED", "cancelled"),
        ("succeeded", "downloading"),
    ],
)
def test_a_word_of_amc_means_one_state(status: str, state: str) -> None:
    assert state_of(status) is ExecutionState(state)


@pytest.mark.parametrize("status", ["", "UNKNOWN", "ALMOST_DONE", "SUCCEEDED "])
def test_a_word_nobody_has_seen_counts_as_running(status: str) -> None:
    assert state_of(status) is ExecutionState.RUNNING
    assert not is_final(status)


@pytest.mark.parametrize("status", RemoteStatus)
def test_final_words_are_known_in_any_case(status: RemoteStatus) -> None:
    assert is_final(status.lower()) == (status in REMOTE_FINAL)
