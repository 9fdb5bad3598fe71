"""Executions in `downloading`: one worker at a time, each end its own move."""

from datetime import timedelta

import pytest

from shared.db.downloads import Downloads
from shared.db.pool import Database
from shared.domain.errors import ResultGone, StaleTransition
from tests.integration.builders import (
    MadeInstance,
    MadeWorkflow,
    commands,
    make_execution,
    row_of,
    state_of,
    timer_in,
)


async def test_a_download_is_claimed_by_one_worker_and_lost_with_its_lease(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(database, instance, workflow, "downloading")
    slow = await Downloads(database, lease=timedelta(0)).claim_for_download(execution)
    downloads = Downloads(database)

    quick = await downloads.claim_for_download(execution)

    with pytest.raises(StaleTransition):
        await downloads.claim_for_download(execution)
    for late in (downloads.renew(slow), downloads.mark_failed(slow, ResultGone())):
        with pytest.raises(StaleTransition):
            await late
    await downloads.renew(quick)
    assert await state_of(database, execution) == "downloading"


async def test_a_download_that_is_given_back_goes_out_again_at_once(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(database, instance, workflow, "downloading")
    downloads = Downloads(database)

    await downloads.give_back(await downloads.claim_for_download(execution))

    assert await commands(database, "download_result") == [{"execution_id": str(execution)}]
    assert (await downloads.claim_for_download(execution)).fence == 2


async def test_a_postponed_download_comes_back_by_its_timer(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(database, instance, workflow, "downloading")
    downloads = Downloads(database)
    claim = await downloads.claim_for_download(execution)

    await downloads.postpone(claim, wait=timedelta(seconds=5), reason="link expired")

    wait = await timer_in(database, "download_result", execution)
    assert wait is not None
    assert 3 < wait <= 5
    assert (await downloads.claim_for_download(execution)).postponed_count == 1
    assert await timer_in(database, "download_result", execution) is None


async def test_a_result_that_is_gone_fails_the_execution_and_says_what_to_do(
    database: Database, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    execution = await make_execution(database, instance, workflow, "downloading")
    downloads = Downloads(database)

    await downloads.mark_failed(await downloads.claim_for_download(execution), ResultGone())

    row = await row_of(database, execution)
    assert (row["state"], row["error_code"]) == ("failed", "result_gone")
    assert row["error_hint"] == ResultGone.default_hint
