"""A worker that is killed between two steps: what is on disk then, and how the next goes on."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.db.control import Control
from shared.messaging.messages import DownloadResult, RefreshCredential
from shared.observability.stop_points import StopPoint
from tests.integration.builders import in_state, timer_in
from tests.integration.faults.conftest import Other, Town
from tests.integration.faults.takeover import (
    in_doubt,
    leases_end,
    made_for,
    stored_login,
    take_over_submission,
)
from tests.integration.faults.worker import Delivery, downloader, refresher
from tests.integration.workers.test_refresh import FakeLogin


async def die(town: Town, other: Other, point: StopPoint, order: dict[str, Any]) -> None:
    town.points.arm(point)
    other.order(order | {"mortal": True})
    assert (await other.answer())["outcome"] == "killed"
    assert [strike.point for strike in town.points.struck()] == [point]


async def accepting(town: Town) -> dict[str, Any]:
    name = await town.bench.database.fetchval(
        "select amc_instance_id from amc_instances where id = $1", town.bench.instance.key
    )
    return town.order("accept", amc_instance=name)


async def test_a_death_before_the_commit_of_a_request_leaves_nothing(
    town: Town, lasting: Other
) -> None:
    await die(town, lasting, StopPoint.ACCEPT_BEFORE_COMMIT, await accepting(town))

    rows = await town.bench.database.fetchval("select count(*) from workflow_executions")
    assert rows == 0


async def test_a_death_after_the_commit_of_a_request_leaves_it_to_the_rescuer(
    town: Town, lasting: Other
) -> None:
    await die(town, lasting, StopPoint.ACCEPT_COMMITTED, await accepting(town))
    assert await in_state(town.bench.database, "queued") == 1

    await Control(town.bench.database).rescue()

    assert await in_state(town.bench.database, "submitting") == 1


@pytest.mark.parametrize(
    ("point", "created"),
    [
        (StopPoint.SUBMIT_CLAIMED, 1),
        (StopPoint.SUBMIT_WORKFLOW_CREATED, 1),
        (StopPoint.SUBMIT_WORKFLOW_KNOWN, 1),
        (StopPoint.SUBMIT_PERMIT_BOOKED, 1),
        (StopPoint.SUBMIT_INTENDED, 1),
        (StopPoint.SUBMIT_ANSWERED, 0),
        (StopPoint.SUBMIT_BOUND, 0),
    ],
)
async def test_a_submitter_that_dies_makes_one_execution_with_whoever_goes_on(
    town: Town, lasting: Other, point: StopPoint, created: int
) -> None:
    execution = await town.bench.execution()
    await die(town, lasting, point, town.order("submit", execution=execution))
    row = await town.bench.row(execution)
    if point is StopPoint.SUBMIT_ANSWERED:
        await made_for(town, execution)

    await leases_end(town)
    await Control(town.bench.database).rescue()
    await leases_end(town)
    await take_over_submission(town, execution)

    is_doubt = point in {StopPoint.SUBMIT_INTENDED, StopPoint.SUBMIT_ANSWERED}
    assert (row["intent_at"] is not None) == is_doubt
    assert town.bench.amc.count("create_execution") == created
    after = await town.bench.row(execution)
    assert (after["state"], after["amc_execution_id"]) == ("pending", "amc-0")


async def test_a_reconciler_that_dies_in_its_transaction_leaves_the_doubt(
    town: Town, lasting: Other
) -> None:
    execution = await in_doubt(town)
    order = town.order("reconcile", execution=execution, at_amc=[await made_for(town, execution)])
    await die(town, lasting, StopPoint.RECONCILE_BEFORE_COMMIT, order)
    assert (await town.bench.row(execution))["intent_at"] is not None

    await town.bench.settle()
    await town.bench.reconcile(execution)

    assert (await town.bench.row(execution))["amc_execution_id"] == "amc-0"


@pytest.mark.parametrize(
    ("point", "state"),
    [(StopPoint.POLL_LISTED, "pending"), (StopPoint.POLL_OBSERVED, "downloading")],
)
async def test_a_poller_that_dies_keeps_what_it_has_recorded(
    town: Town, lasting: Other, point: StopPoint, state: str
) -> None:
    execution = await town.bench.at_amc("pending")
    name = (await town.bench.row(execution))["amc_execution_id"]
    seen = await made_for(town, execution, name=name, status="SUCCEEDED")
    await die(town, lasting, point, town.order("poll", at_amc=[seen]))
    assert (await town.bench.row(execution))["state"] == state

    await leases_end(town)
    await town.bench.look()

    assert (await town.bench.row(execution))["state"] == "downloading"


@pytest.mark.parametrize(
    ("point", "state"),
    [
        (StopPoint.DOWNLOAD_CLAIMED, "downloading"),
        (StopPoint.DOWNLOAD_SPOOLED, "downloading"),
        (StopPoint.DOWNLOAD_COPYING, "downloading"),
        (StopPoint.DOWNLOAD_BEFORE_COMMIT, "downloading"),
        (StopPoint.DOWNLOAD_COMMITTED, "completed"),
    ],
)
async def test_a_downloader_that_dies_leaves_all_rows_or_none(
    town: Town, lasting: Other, point: StopPoint, state: str, tmp_path: Path
) -> None:
    execution = await town.bench.execution(
        "downloading", output_columns=[["brand", "STRING"], ["clicks", "LONG"]]
    )
    await die(town, lasting, point, town.order("download", execution=execution))
    assert (await town.bench.row(execution))["state"] == state
    assert await tables(town) == int(state == "completed")

    if state == "downloading":
        await leases_end(town)
        handler = downloader(town.bench.database, tmp_path)
        await handler(DownloadResult(execution_id=execution), Delivery())

    assert await stored(town, execution) == 2


@pytest.mark.parametrize(
    ("point", "version"), [(StopPoint.REFRESH_ANSWERED, 0), (StopPoint.REFRESH_STORED, 1)]
)
async def test_a_refresher_that_dies_leaves_a_token_that_works(
    town: Town, lasting: Other, point: StopPoint, version: int
) -> None:
    database = town.bench.database
    credential, stack = await stored_login(town)
    order = town.order("refresh", credential=credential, stack=stack)
    await die(town, lasting, point, order)
    kept = await database.fetchval("select version from credentials where id = $1", credential)
    assert kept == version

    await leases_end(town)
    await refresher(database, stack, FakeLogin())(RefreshCredential(credential_id=credential))

    row = await database.fetchrow(
        "select status, version from credentials where id = $1", credential
    )
    assert tuple(row or ()) == ("active", version + 1)
    assert await timer_in(database, "refresh_credential", credential) is not None


async def tables(town: Town) -> int:
    """Tables of results that anybody can see."""
    number: int = await town.bench.database.fetchval(
        "select count(*) from pg_class"
        " where relnamespace = 'results'::regnamespace and relkind = 'r'"
    )
    return number


async def stored(town: Town, execution: UUID) -> int:
    """Rows of its result."""
    table = (await town.bench.row(execution))["result_table"]
    number: int = await town.bench.database.fetchval(f'select count(*) from results."{table}"')
    return number
