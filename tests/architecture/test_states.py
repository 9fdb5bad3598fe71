"""The words and moves of the state table, wherever SQL repeats them."""

import re
from itertools import product

import pytest

from shared.domain.remote import REMOTE_FINAL, RemoteStatus, state_of
from shared.domain.states import AT_AMC, FINAL, HOLDING_A_SLOT, TRANSITIONS, ExecutionState
from tests.architecture.source import ROOT

MIGRATIONS = "".join(
    path.read_text("utf-8")
    for path in sorted((ROOT / "shared/db/migrations/versions").glob("*.py"))
)
QUERIES = {
    path.name: path.read_text("utf-8") for path in sorted((ROOT / "shared/db").rglob("*.sql"))
}
SQL = MIGRATIONS + "".join(QUERIES.values())

COMPARISON = re.compile(
    r"(?<![\w])(?:\w+\.)?(?:next_|from_|to_)?state\s*(?:=|<>|(?:not\s+)?in)\s*"
    r"(\([^)]*\)|'[a-z]+')"
)
WORDS = re.compile(r"'([a-z]+)'")


def test_the_database_guards_exactly_the_moves_of_the_table() -> None:
    guard = MIGRATIONS.partition("create function guard_execution_v1()")[2].partition("else false")[
        0
    ]
    allowed = {
        (old, new)
        for old, moves in re.findall(r"when '(\w+)' then new\.state in \(([^)]*)\)", guard)
        for new in WORDS.findall(moves)
    }

    assert allowed == {(old, new) for old, moves in TRANSITIONS.items() for new in moves}


def test_the_database_knows_exactly_the_states_of_the_table() -> None:
    known = MIGRATIONS.partition("executions_state_known check (state in (")[2].partition(")")[0]

    assert set(WORDS.findall(known)) == set(ExecutionState)


def test_no_statement_compares_with_a_word_that_is_no_state() -> None:
    words = {word for found in COMPARISON.findall(SQL) for word in WORDS.findall(found)}

    assert words
    assert words <= set(ExecutionState)


@pytest.mark.parametrize(
    ("index", "states"),
    [
        ("executions_queue", {ExecutionState.QUEUED}),
        ("executions_lane", {ExecutionState.QUEUED}),
        ("executions_busy", HOLDING_A_SLOT),
        ("executions_at_amc", AT_AMC),
        ("executions_in_hand", {ExecutionState.SUBMITTING, ExecutionState.DOWNLOADING}),
    ],
)
def test_an_index_covers_the_states_it_is_for(index: str, states: set[ExecutionState]) -> None:
    made = re.search(
        rf'create index (?:concurrently )?{index} on .*?"\s*\),',
        MIGRATIONS,
        re.DOTALL,
    )

    assert made is not None
    assert set(WORDS.findall(made.group())) == set(states)


def test_final_is_what_has_no_moves() -> None:
    finished = MIGRATIONS.partition("executions_finished_at_iff_final")[2].partition("=")[0]

    assert set(WORDS.findall(finished)) == FINAL


@pytest.mark.parametrize("status", RemoteStatus)
def test_amcs_last_words_end_the_time_at_amc(status: RemoteStatus) -> None:
    assert (status in REMOTE_FINAL) == (state_of(status) not in AT_AMC)


def test_states_are_words_of_their_own() -> None:
    assert not [
        (one, other)
        for one, other in product(ExecutionState, repeat=2)
        if one is not other and one.value == other.value
    ]
