"""A worker that is frozen past its lease and wakes up when another has done its work.

Whatever it does then, the rows are as the other has left them.
"""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.domain.ids import CredentialId
from shared.messaging.messages import DownloadResult, RefreshCredential
from shared.observability.stop_points import StopPoint
from shared.security.keys import new_stack_keys
from shared.security.sealing import SealingPublicKey
from shared.security.tokens import TokenContext, TokenKind
from tests.integration.builders import make_credential
from tests.integration.faults.conftest import Other, Town
from tests.integration.faults.worker import Delivery, downloader, refresher
from tests.integration.workers.conftest import LEASE, SETTLE
from tests.integration.workers.test_refresh import FakeLogin

LEASES_END = (
    "update workflow_executions set lease_until = clock_timestamp() where lease_until is not null",
    "update instance_gates set poll_lease_until = clock_timestamp()",
    "update credentials set lease_until = clock_timestamp()",
)


async def leases_end(town: Town) -> None:
    for statement in LEASES_END:
        await town.bench.database.execute(statement)


async def rows(town: Town) -> dict[str, list[dict[str, Any]]]:
    """Everything a handler may write."""
    tables = {
        "workflow_executions": "id",
        "submission_attempts": "execution_id, attempt",
        "timers": "kind, key",
        "outbox": "id",
        "execution_events": "id",
        "credentials": "id",
        "instance_gates": "instance_id",
        "stray_executions": "instance_id, amc_execution_id",
        "result_parts": "execution_id, part",
    }
    return {
        table: [
            dict(row)
            for row in await town.bench.database.fetch(f"select * from {table} order by {order}")
        ]
        for table, order in tables.items()
    }


async def freeze(town: Town, other: Other, point: StopPoint, order: dict[str, Any]) -> None:
    """The other worker stands there, and its leases are over."""
    town.points.arm(point, "stop")
    other.order(order)
    await other.is_frozen()
    await leases_end(town)


async def wake(other: Other) -> dict[str, Any]:
    other.go_on()
    return await other.answer()


async def take_over_submission(town: Town, execution: UUID) -> None:
    """Another submitter, or the reconciler if there was an intent."""
    bench = town.bench
    if (await bench.row(execution))["intent_at"] is not None:
        await bench.settle()
        await bench.reconcile(execution)
    if (await bench.row(execution))["state"] == "submitting":
        await bench.submit(execution)


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
    database, keys = town.bench.database, new_stack_keys()
    credential = await make_credential(database, status="new")
    ciphertext, key_id = SealingPublicKey(keys.sealing_public_key).seal(
        TokenContext(CredentialId(credential), TokenKind.REFRESH), "Atzr|first"
    )
    await database.execute(
        "update credentials set refresh_token_ciphertext = $2, refresh_token_key_id = $3"
        " where id = $1",
        credential,
        ciphertext,
        key_id,
    )
    stack = {
        "access": keys.access_token_key,
        "refresh": keys.refresh_token_key,
        "sealing": keys.sealing_private_key,
    }
    order = town.order("refresh", credential=credential, stack=stack, refuse=refuse)
    await freeze(town, lasting, point, order)
    await refresher(database, stack, FakeLogin())(RefreshCredential(credential_id=credential))
    before = await rows(town)

    woken = await wake(lasting)

    assert woken["outcome"] == "StaleTransition"
    assert await rows(town) == before


async def in_doubt(town: Town) -> UUID:
    """An execution whose create got no answer, with its settle time over."""
    execution = await town.bench.execution()
    claim = await town.bench.submissions.claim_for_submission(execution, lease=LEASE)
    await town.bench.submissions.record_intent(
        claim, timeout_seconds=22_000, settle_time=SETTLE, lease=LEASE
    )
    await town.bench.settle()
    return execution


async def made_for(
    town: Town, execution: UUID, *, name: str = "amc-0", status: str = "PENDING"
) -> dict[str, Any]:
    """What that create made at AMC, for the other worker's AMC and for ours."""
    row = await town.bench.row(execution)
    made = town.bench.amc.make(
        name,
        workflow=town.bench.workflow.amc_workflow_id,
        status=status,
        timeout_seconds=row["amc_timeout_seconds"],
        parameter_values={},
    )
    assert made.created_at is not None
    return {
        "name": name,
        "workflow": town.bench.workflow.amc_workflow_id,
        "status": status,
        "timeout_seconds": row["amc_timeout_seconds"],
        "parameter_values": {},
        "created_at": made.created_at.isoformat(),
    }
