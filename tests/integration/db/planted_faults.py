"""`python -m tests.integration.db.planted_faults`: the state machine must see each planted fault.

Each one takes a single condition or call out of the SQL, in a database of its own; Hypothesis then
plays random moves until the judge complains. Who adds a rule to the machine runs this: a judge that
complains of nothing proves nothing. It is no part of `make test`, because it takes some minutes.
"""

import asyncio
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import asyncpg
from hypothesis.errors import Flaky

from deploy.local.backends import FOR_TESTS, choose_postgres, started
from deploy.local.databases import with_database
from deploy.local.profiles import FAST
from shared.db.migrate import upgrade
from shared.db.queries import load
from tests.integration.db.states_hunt import hunt, opened

EXAMPLES = 60
"""A fault that is not seen in so many counts as missed."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One fault: a text of a function or a named statement, and what it becomes."""

    sentence: str
    place: str
    """The function, or `file.statement`."""
    text: str
    becomes: str = ""


FAULTS = (
    Planted(
        "a bind forgets a cancellation that came after the intent",
        "bind_execution_v1",
        "if e.cancel_requested_at is not null then",
        "if false then",
    ),
    Planted(
        "a bind arms no timer for the looks",
        "bind_execution_v1",
        "perform arm_timer_v1('poll_instance', e.instance_id::text,",
        "perform arm_timer_v1('poll_instance', '0',",
    ),
    Planted(
        "a slot too many is given away",
        "admit_v1",
        "a_free := a_max - a_used;",
        "a_free := a_max - a_used + 1;",
    ),
    Planted(
        "two admit at once, because nobody locks the gate",
        "lock_gates_v1",
        "order by account_id for no key update",
        "order by account_id",
    ),
    Planted(
        "the slot of a submission that ends is handed to nobody",
        "end_submission_v1",
        "perform admit_v1(e.account_id, array[e.instance_id], 1);",
    ),
    Planted(
        "who was given up for dead ends a submission all the same",
        "end_submission_v1",
        "and state = 'submitting' and fence = p_fence",
        "and state = 'submitting'",
    ),
    Planted(
        "an execution is claimed while somebody holds it",
        "submission.claim_for_submission",
        "and (lease_owner is null or lease_until <= clock_timestamp())",
    ),
    Planted(
        "an intent passes over a cancellation that came first",
        "submission.record_intent",
        "and e.cancel_requested_at is null and e.lease_until",
        "and e.lease_until",
    ),
    Planted(
        "a doubt is settled by two at once",
        "submission.claim_for_reconciliation",
        "and settle_at <= clock_timestamp() and lease_until <= clock_timestamp()",
        "and settle_at <= clock_timestamp()",
    ),
    Planted(
        "an attempt is repeated though its cancellation was asked for",
        "give_up_attempt_v1",
        "if w.cancel_requested_at is not null then",
        "if false then",
    ),
    Planted(
        "a look takes AMC's CANCELLED for ours whoever asked for it",
        "observe_executions_v1",
        "when s.state = 'cancelled' and e.cancel_requested_at is null then 'failed'",
        "",
    ),
    Planted(
        "what has succeeded at AMC is loaded by nobody",
        "observe_executions_v1",
        "from moved where state = 'downloading'\n      )",
        "from moved where false\n      )",
    ),
    Planted(
        "what goes back in line loses its queue timeout",
        "requeue_submission_v1",
        "where id = p_execution and queue_timeout_seconds is not null",
        "where false",
    ),
    Planted(
        "a result is stored by who was given up for dead",
        "results.complete",
        "where id = $1 and fence = $2 and state = 'downloading'",
        "where id = $1 and $2::bigint is not null and state = 'downloading'",
    ),
)


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.integration.db.planted_faults")
    parser.add_argument("--only", type=int, nargs="+", help="the numbers of some, from 1")
    numbers = parser.parse_args().only or range(1, len(FAULTS) + 1)
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        server = choose_postgres(FOR_TESTS).open(Path(folder), FAST)
        with started(server) as postgres:
            for number in numbers:
                fault, begun = FAULTS[number - 1], monotonic()
                seen = _seen(postgres.url, number, fault)
                missed += not seen
                told = f"seen    {monotonic() - begun:4.0f} s  {seen:.90}" if seen else "MISSED"
                _say(f"{number:>2}  {fault.sentence}\n    {told}")
    _say(f"{missed} missed")
    return 1 if missed else 0


def _seen(server: str, number: int, fault: Planted) -> str:
    """What the judge says of it; empty if it sees nothing."""
    url = asyncio.run(_new_database(server, f"planted_{number}"))
    upgrade(url)
    with asyncio.Runner() as runner, _planted(runner, url, fault):
        stack = AsyncExitStack()
        machine = runner.run(opened(url, stack))
        machine.runner = runner
        try:
            with suppress(AssertionError, Flaky):
                hunt(machine, examples=EXAMPLES, derandomize=False)
        finally:
            runner.run(stack.aclose())
    return next(iter(machine.complaints), "")


async def _new_database(server: str, name: str) -> str:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'create database "{name}"')
    finally:
        await connection.close()
    return with_database(server, name)


@contextmanager
def _planted(runner: asyncio.Runner, url: str, fault: Planted) -> Iterator[None]:
    file, _, statement = fault.place.partition(".")
    if not statement:
        runner.run(_plant_in_function(url, fault))
        yield
        return
    statements = load(file)
    sound = statements[statement]
    statements[statement] = _changed(sound, fault)
    try:
        yield
    finally:
        statements[statement] = sound


async def _plant_in_function(url: str, fault: Planted) -> None:
    connection = await asyncpg.connect(url)
    try:
        sound = await connection.fetchval(
            "select pg_get_functiondef($1::text::regproc)", fault.place
        )
        await connection.execute(_changed(sound, fault))
    finally:
        await connection.close()


def _changed(sound: str, fault: Planted) -> str:
    assert sound.count(fault.text) == 1, f"{fault.place} does not say {fault.text!r} once"
    return sound.replace(fault.text, fault.becomes)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
