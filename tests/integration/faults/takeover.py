"""What happens between one worker and the next: leases that end, doubts, rows to compare."""

from typing import Any
from uuid import UUID

from shared.domain.ids import CredentialId
from shared.security.keys import new_stack_keys
from shared.security.sealing import SealingPublicKey
from shared.security.tokens import TokenContext, TokenKind
from tests.integration.builders import make_credential
from tests.integration.faults.conftest import Town
from tests.integration.workers.bench import LEASE, SETTLE

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


async def take_over_submission(town: Town, execution: UUID) -> None:
    """Another submitter, or the reconciler if there was an intent."""
    bench = town.bench
    if (await bench.row(execution))["intent_at"] is not None:
        await bench.settle()
        await bench.reconcile(execution)
    if (await bench.row(execution))["state"] == "submitting":
        await bench.submit(execution)


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


async def stored_login(town: Town) -> tuple[UUID, dict[str, str]]:
    """A credential as the API has sealed it, with the keys that open it."""
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
    return credential, stack
