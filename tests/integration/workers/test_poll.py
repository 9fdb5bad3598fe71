"""One PollInstance command: a bounded number of calls, and when the next one comes."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.db.polling import Looks
from shared.domain.errors import (
    AmcThrottled,
    AmcUnavailable,
    DatabaseUnavailable,
    InstanceForbidden,
    StaleTransition,
)
from tests.integration.builders import (
    commands,
    state_of,
    states_of,
    timer_in,
)
from tests.integration.workers.bench import OLD, Bench, Flaky


async def test_a_look_makes_a_bounded_number_of_calls_whatever_the_history(bench: Bench) -> None:
    bench.amc.page_size = 10
    old = [await bench.at_amc() for _ in range(30)]
    for _ in range(200):
        bench.amc.make(workflow="wf_console")

    await bench.look(pages=4, questions=3)

    assert bench.amc.count("list_executions") <= 4
    assert bench.amc.count("get_execution") == 3
    assert set(await states_of(bench.database, old)) == {"running"}


async def test_a_page_that_shows_few_of_ours_is_the_last_one_read(bench: Bench) -> None:
    bench.amc.page_size = 10
    await bench.at_amc()
    for _ in range(50):
        bench.amc.make(workflow="wf_console")

    await bench.look()

    assert bench.amc.count("list_executions") == 1
    assert bench.amc.count("get_execution") == 1


async def test_pages_are_read_on_while_they_show_enough_of_ours(bench: Bench) -> None:
    bench.amc.page_size = 4
    executions = [await bench.at_amc() for _ in range(12)]
    for execution in executions:
        await bench.says(execution, "SUCCEEDED")

    await bench.look()

    assert bench.amc.count("list_executions") == 3
    assert bench.amc.count("get_execution") == 0
    assert set(await states_of(bench.database, executions)) == {"downloading"}


async def test_stragglers_are_asked_for_in_turn(bench: Bench) -> None:
    executions = [await bench.at_amc() for _ in range(9)]
    bench.amc.unlisted = set(bench.amc.executions)

    for _ in range(3):
        await bench.look(questions=3)

    asked = [what for name, what in bench.amc.calls if name == "get_execution"]
    assert len(asked) == len(set(asked)) == 9
    assert len(executions) == 9


async def test_one_that_amc_cannot_answer_for_is_not_the_first_of_the_next_look(
    bench: Bench,
) -> None:
    for _ in range(2):
        await bench.at_amc()
    bench.amc.unlisted = set(bench.amc.executions)
    bench.amc.will("get_execution", AmcUnavailable("500"))

    for _ in range(2):
        await bench.look(questions=1)

    first, second = (what for name, what in bench.amc.calls if name == "get_execution")
    assert first != second


async def test_the_list_begins_at_the_oldest_of_ours(bench: Bench) -> None:
    await bench.at_amc(amc_created_at=OLD)
    await bench.at_amc()

    await bench.look()

    assert bench.amc.since == [OLD - timedelta(seconds=2)]


async def test_an_instance_with_nothing_of_ours_is_left_alone(bench: Bench) -> None:
    await bench.database.execute(
        "insert into timers (kind, key, due_at) values ('poll_instance', $1, clock_timestamp())",
        str(bench.instance.key),
    )

    await bench.look()

    assert bench.amc.calls == []
    assert await timer_in(bench.database, "poll_instance", bench.instance.key) is None


async def test_a_second_look_at_the_same_time_is_refused(bench: Bench) -> None:
    await bench.at_amc()
    await Looks(bench.database).claim_for_poll(
        bench.instance.key,  # type: ignore[arg-type]
        lease=timedelta(seconds=60),
    )

    with pytest.raises(StaleTransition):
        await bench.look()

    assert bench.amc.calls == []


async def test_the_next_look_comes_soon_for_what_is_young(bench: Bench) -> None:
    await bench.at_amc()

    await bench.look()

    assert 1 < await bench.next_look() <= 2


async def test_the_next_look_takes_its_time_for_what_is_old(bench: Bench) -> None:
    await bench.at_amc(amc_created_at=datetime.now(UTC) - timedelta(hours=2))

    await bench.look()

    assert 55 < await bench.next_look() <= 60


async def test_when_all_have_finished_no_look_follows(bench: Bench) -> None:
    execution = await bench.at_amc()
    await bench.says(execution, "SUCCEEDED")

    await bench.look()

    assert await timer_in(bench.database, "poll_instance", bench.instance.key) is None


async def test_a_passed_deadline_makes_amc_cancel_and_the_truth_is_shown_later(
    bench: Bench,
) -> None:
    execution = await bench.at_amc(deadline_at=OLD)

    await bench.look()
    await bench.look()

    assert await state_of(bench.database, execution) == "running"
    assert await commands(bench.database, "cancel_execution") == [{"execution_id": str(execution)}]
    await bench.cancel(execution)
    await bench.look()
    row = await bench.row(execution)
    assert (row["state"], row["error_code"]) == ("failed", "deadline_exceeded")


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        (AmcUnavailable("away", wait=timedelta(seconds=7)), 5, 7),
        (AmcThrottled("slow", wait=timedelta(seconds=7)), 5, 7),
        (InstanceForbidden("not yours"), 55, 60),
    ],
    ids=["away", "throttled", "forbidden"],
)
async def test_a_look_that_amc_did_not_answer_comes_again(
    bench: Bench, error: Exception, least: float, most: float
) -> None:
    execution = await bench.at_amc()
    bench.amc.will("list_executions", error)

    await bench.look()

    assert least < await bench.next_look() <= most
    assert (await bench.budget_pause() > 0) == isinstance(error, AmcThrottled)
    assert await state_of(bench.database, execution) == "running"
    await bench.look()


async def test_a_look_without_a_token_asks_for_one_and_comes_again(bench: Bench) -> None:
    await bench.at_amc()
    await bench.let_the_token_expire()

    await bench.look()

    assert await bench.next_look() <= 1
    assert len(await commands(bench.database, "refresh_credential")) == 1


async def test_what_was_seen_before_the_interruption_is_kept(bench: Bench) -> None:
    bench.amc.page_size = 3
    executions = [await bench.at_amc() for _ in range(6)]
    for execution in executions:
        await bench.says(execution, "SUCCEEDED")
    bench.amc.will("list_executions", lambda: None, AmcUnavailable("away"))

    await bench.look()

    assert sorted(await states_of(bench.database, executions)) == [
        *["downloading"] * 3,
        *["running"] * 3,
    ]


async def test_a_database_that_is_away_lets_the_lease_run_out(bench: Bench) -> None:
    await bench.says(await bench.at_amc(), "SUCCEEDED")

    with pytest.raises(DatabaseUnavailable):
        await bench.look(Flaky(Looks(bench.database), "observe", DatabaseUnavailable("away")))
