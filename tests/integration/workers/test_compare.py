"""A comparison on the real database and an AMC in memory: what is found, and what is told apart."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.db.reconciliations import Comparisons
from shared.domain.errors import (
    AmcThrottled,
    AmcUnavailable,
    DatabaseUnavailable,
    InstanceForbidden,
    StaleTransition,
)
from tests.integration.builders import make_account, make_instance
from tests.integration.workers.bench import LEASE, Flaky
from tests.integration.workers.office import DAY, Office


async def test_what_is_asked_for_waits_with_a_timer(office: Office) -> None:
    run = await office.ask()

    assert (await office.desk.get(run)).status == "waiting"
    assert (await office.timer(run) or 1) <= 0


async def test_all_instances_are_compared_and_one_without_a_login_has_failed(
    office: Office,
) -> None:
    account = await make_account(office.bench.database, credential_id=None)
    await make_instance(office.bench.database, account)

    runs = await office.desk.ask(None, since=datetime.now(UTC) - DAY, by="anna")

    assert [(run.status, run.error_code) for run in runs] == [
        ("waiting", None),
        ("failed", "no_credential"),
    ]


async def test_what_rows_own_is_not_found_and_the_rest_is_told_apart(office: Office) -> None:
    await office.bench.at_amc("running")
    await office.bench.at_amc("completed")
    await office.attempt("given_up", 1001)
    await office.attempt("bound", 1002)
    await office.in_doubt(1003)
    for name, timeout in (("lost", 1001), ("twin", 1002), ("doubted", 1003), ("by hand", 999)):
        office.ours(name, timeout_seconds=timeout)
    office.bench.amc.make("others", workflow="somebody's", timeout_seconds=1001)

    assert await office.kinds() == {
        "lost": "stray",
        "twin": "stray",
        "doubted": "in_doubt",
        "by hand": "foreign",
        "others": "foreign",
    }


async def test_an_open_create_may_have_made_what_shows_no_timeout(office: Office) -> None:
    await office.in_doubt()
    office.ours("unmarked", timeout_seconds=None)

    assert await office.kinds() == {"unmarked": "in_doubt"}


async def test_every_page_is_read_and_one_that_shows_twice_counts_once(office: Office) -> None:
    office.bench.amc.page_size = 2
    for number in range(5):
        office.ours(f"amc-{number}")

    run = await office.ask()
    done = await office.compare(run)

    assert (done.listed_count, done.is_complete, done.foreign_count) == (5, True, 5)
    assert office.bench.amc.count("list_executions") == 3
    assert await office.timer(run) is None


async def test_a_list_without_end_is_cut_and_says_so(office: Office) -> None:
    office.bench.amc.page_size = 1
    for number in range(3):
        office.ours(f"amc-{number}")

    done = await office.compare(await office.ask(), most_pages=2)

    assert (done.status, done.is_complete, done.listed_count) == ("done", False, 2)


@pytest.mark.parametrize("error", [AmcThrottled(wait=timedelta(seconds=40)), AmcUnavailable("no")])
async def test_what_amc_does_not_answer_is_asked_again_later(
    office: Office, error: Exception
) -> None:
    run = await office.ask()
    office.bench.amc.will("list_executions", error)

    waiting = await office.compare(run)
    due = await office.timer(run)
    done = await office.compare(run)

    assert (waiting.status, waiting.error_code) == ("waiting", getattr(error, "code", None))
    assert due is not None
    assert due > 3
    assert (done.status, done.error_code) == ("done", None)


async def test_what_amc_refuses_ends_the_run_with_its_reason(office: Office) -> None:
    run = await office.ask()
    office.bench.amc.will("list_executions", InstanceForbidden("no"))

    failed = await office.compare(run)

    assert (failed.status, failed.error_code) == ("failed", "instance_forbidden")
    assert await office.timer(run) is None


async def test_a_run_that_amc_never_answers_ends_after_an_hour(office: Office) -> None:
    run = await office.ask()
    await office.bench.database.execute(
        "update reconciliations set requested_at = requested_at - interval '61 minutes'"
    )
    office.bench.amc.will("list_executions", AmcUnavailable("no"))

    assert (await office.compare(run)).status == "failed"


async def test_a_second_delivery_finds_the_run_held_or_ended(office: Office) -> None:
    run = await office.ask()
    await Comparisons(office.bench.database).claim(run, lease=LEASE)
    with pytest.raises(StaleTransition):
        await office.compare(run)
    await office.bench.database.execute("update reconciliations set lease_until = '-infinity'")
    await office.compare(run)

    with pytest.raises(StaleTransition):
        await office.compare(run)

    assert office.bench.amc.count("list_executions") == 1


async def test_dying_before_the_findings_are_stored_leaves_the_run_to_the_next(
    office: Office,
) -> None:
    office.ours("by hand")
    run = await office.ask()
    flaky = Flaky(Comparisons(office.bench.database), "finish", DatabaseUnavailable("away"))

    with pytest.raises(DatabaseUnavailable):
        await office.compare(run, flaky)

    assert await office.timer(run) is not None
    await office.bench.database.execute("update reconciliations set lease_until = '-infinity'")
    assert (await office.compare(run)).foreign_count == 1


async def test_after_a_death_the_next_look_comes_when_the_lease_ends(office: Office) -> None:
    run = await office.ask()
    database = office.bench.database
    await Comparisons(database).claim(run, lease=LEASE)
    guarded = "update timers set due_at = clock_timestamp() + interval '1 hour' where key = $1"
    await database.execute(guarded, str(run))

    with pytest.raises(StaleTransition):
        await office.compare(run)

    assert await database.fetchval(
        "select t.due_at = r.lease_until from timers t join reconciliations r"
        " on r.id::text = t.key where r.id = $1",
        run,
    )


async def test_who_comes_too_late_stores_nothing(office: Office) -> None:
    comparisons = Comparisons(office.bench.database)
    run = await office.ask()
    late = await comparisons.claim(run, lease=timedelta(0))
    await comparisons.claim(run, lease=LEASE)

    with pytest.raises(StaleTransition):
        await comparisons.finish(late, [], is_complete=True)
