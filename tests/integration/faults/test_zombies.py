"""A worker that is frozen past its lease and wakes up when another has done its work.

Whatever it does then, the rows are as the other has left them.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from shared.messaging.messages import DownloadResult, RefreshCredential
from shared.observability.stop_points import StopPoint
from tests.integration.faults.conftest import Other, Town
from tests.integration.faults.takeover import (
    in_doubt,
    leases_end,
    made_for,
    rows,
    stored_login,
    take_over_submission,
)
from tests.integration.faults.worker import Delivery, downloader, refresher
from tests.integration.workers.test_refresh import FakeLogin


async def freeze(town: Town, other: Other, point: StopPoint, order: dict[str, Any]) -> None:
    """The other worker stands there, and its leases are over."""
    town.points.arm(point, "stop")
    other.order(order)
    await other.is_frozen()
    await leases_end(town)


async def wake(other: Other) -> dict[str, Any]:
    other.go_on()
    return await other.answer()


@pytest.mark.parametrize(
    "point",
    [
        StopPoint.SUBMIT_CLAIMED,
        StopPoint.SUBMIT_WORKFLOW_CREATED,
        StopPoint.SUBMIT_WORKFLOW_KNOWN,
        StopPoint.SUBMIT_PERMIT_BOOKED,
        StopPoint.SUBMIT_INTENDED,
    ],
)
async def test_a_submitter_frozen_before_its_create_sends_none_and_writes_nothing(
    town: Town, lasting: Other, point: StopPoint
) -> None:
    execution = await town.bench.execution()
    await freeze(town, lasting, point, town.order("submit", execution=execution))
    await take_over_submission(town, execution)
    before = await rows(town)

    woken = await wake(lasting)

    assert woken["outcome"] == "StaleTransition"
    assert await rows(town) == before
    assert (await town.bench.row(execution))["state"] == "pending"


@pytest.mark.parametrize(
    ("point", "refuse"), [(StopPoint.SUBMIT_ANSWERED, False), (StopPoint.SUBMIT_REFUSED, True)]
)
async def test_a_submitter_frozen_after_its_answer_writes_nothing(
    town: Town, lasting: Other, point: StopPoint, refuse: bool
) -> None:
    execution = await town.bench.execution()
    await freeze(town, lasting, point, town.order("submit", execution=execution, refuse=refuse))
    if not refuse:
        timeout = (await town.bench.row(execution))["amc_timeout_seconds"]
        workflow = town.bench.workflow.amc_workflow_id
        town.bench.amc.make(
            "amc-0", workflow=workflow, timeout_seconds=timeout, parameter_values={}
        )
    await take_over_submission(town, execution)
    before = await rows(town)

    woken = await wake(lasting)

    assert woken["outcome"] == "StaleTransition"
    assert await rows(town) == before
    assert (await town.bench.row(execution))["state"] == "pending"
    assert town.bench.amc.count("create_execution") == int(refuse)


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("point", [StopPoint.RECONCILE_CLAIMED, StopPoint.RECONCILE_LISTED])
async def test_a_reconciler_frozen_before_its_verdict_writes_nothing(
    town: Town, lasting: Other, point: StopPoint, is_there: bool
) -> None:
    execution = await in_doubt(town)
    made = [await made_for(town, execution)] if is_there else []
    order = town.order("reconcile", execution=execution, at_amc=made)
    await freeze(town, lasting, point, order)
    await town.bench.reconcile(execution)
    before = await rows(town)

    woken = await wake(lasting)

    assert woken["outcome"] == "StaleTransition"
    assert await rows(town) == before


async def test_a_reconciler_frozen_in_its_transaction_is_rolled_back_in_seconds(
    town: Town, lasting: Other
) -> None:
    execution = await in_doubt(town)
    made = [await made_for(town, execution)]
    order = town.order("reconcile", execution=execution, at_amc=made)
    town.points.arm(StopPoint.RECONCILE_BEFORE_COMMIT, "stop")
    lasting.order(order)
    await lasting.is_frozen()

    async with asyncio.timeout(5):
        await leases_end(town)
        await town.bench.settle()
    await town.bench.reconcile(execution)
    before = await rows(town)
    woken = await wake(lasting)

    assert woken["outcome"] == "DatabaseUnavailable"
    assert await rows(town) == before


@pytest.mark.parametrize(
    "point", [StopPoint.POLL_CLAIMED, StopPoint.POLL_LISTED, StopPoint.POLL_OBSERVED]
)
async def test_a_poller_frozen_with_old_news_moves_nothing_back(
    town: Town, lasting: Other, point: StopPoint
) -> None:
    execution = await town.bench.at_amc()
    name = (await town.bench.row(execution))["amc_execution_id"]
    old_news = await made_for(town, execution, name=name, status="RUNNING")
    await freeze(town, lasting, point, town.order("poll", at_amc=[old_news]))
    town.bench.amc.becomes(name, "SUCCEEDED")
    await town.bench.look()
    before = await rows(town)

    await wake(lasting)

    assert await rows(town) == before
    assert (await town.bench.row(execution))["state"] == "downloading"


@pytest.mark.parametrize(
    "point",
    [
        StopPoint.DOWNLOAD_CLAIMED,
        StopPoint.DOWNLOAD_ACKNOWLEDGED,
        StopPoint.DOWNLOAD_SPOOLED,
        StopPoint.DOWNLOAD_COPYING,
        StopPoint.DOWNLOAD_BEFORE_COMMIT,
    ],
)
async def test_a_downloader_frozen_before_its_commit_stores_nothing(
    town: Town, lasting: Other, point: StopPoint, tmp_path: Path
) -> None:
    execution = await town.bench.execution(
        "downloading", output_columns=[["brand", "STRING"], ["clicks", "LONG"]]
    )
    await freeze(town, lasting, point, town.order("download", execution=execution))
    handler = downloader(town.bench.database, tmp_path)
    await handler(DownloadResult(execution_id=execution), Delivery())
    before = await rows(town)

    await wake(lasting)

    row = await town.bench.row(execution)
    assert (row["state"], row["row_count"]) == ("completed", 2)
    assert await rows(town) == before
    stored = await town.bench.database.fetchval(
        f'select count(*) from results."{row["result_table"]}"'
    )
    assert stored == 2


@pytest.mark.parametrize(
    ("point", "refuse"),
    [
        (StopPoint.REFRESH_CLAIMED, False),
        (StopPoint.REFRESH_CLAIMED, True),
        (StopPoint.REFRESH_ANSWERED, False),
    ],
)
async def test_a_refresher_frozen_past_its_lease_stores_no_token(
    town: Town, lasting: Other, point: StopPoint, refuse: bool
) -> None:
    credential, stack = await stored_login(town)
    order = town.order("refresh", credential=credential, stack=stack, refuse=refuse)
    await freeze(town, lasting, point, order)
    await refresher(town.bench.database, stack, FakeLogin())(
        RefreshCredential(credential_id=credential)
    )
    before = await rows(town)

    woken = await wake(lasting)

    assert woken["outcome"] == "StaleTransition"
    assert await rows(town) == before
