"""The database's book says what is in the tables, of the asked instances only."""

import asyncio
import time
from pathlib import Path

from deploy.local.postgres import find_postgres
from deploy.local.stack import Secrets
from shared.db.acceptance import Acceptance, RememberedRequest
from shared.db.control import Control
from shared.db.pool import Database
from shared.domain.ids import EXECUTION_PREFIX, show
from tests.chaos.books import KeyRow
from tests.chaos.read_database import read_database, sampling
from tests.chaos.round import MOVED_ON
from tests.chaos.search_secrets import canaries_of, search_dump
from tests.integration.builders import (
    MadeInstance,
    MadeWorkflow,
    accept_and_admit,
    finish,
    make_instance,
    make_request,
    until,
)


async def read(database: Database, url: str, *instances: MadeInstance):
    rows = await database.fetch(
        "select amc_instance_id from amc_instances where id = any($1::int[])",
        [instance.key for instance in instances],
    )
    names = [row["amc_instance_id"] for row in rows]
    return await asyncio.to_thread(read_database, url, names, begun=time.time() - 60, samples=[])


async def test_the_book_has_rows_history_and_limits(
    database: Database, database_url: str, workflow: MadeWorkflow
) -> None:
    ours = await make_instance(database, max_concurrent_executions=1)
    other = await make_instance(database)
    running, waiting, _ = await accept_and_admit(
        database, *(make_request(place, workflow) for place in (ours, ours, other))
    )
    await finish(database, running)
    await Control(database).request_cancel(waiting, by="anna")

    book = await read(database, database_url, ours)

    names = [show(EXECUTION_PREFIX, each) for each in (running, waiting)]
    states = {row.execution: row.state for row in book.rows}
    assert states == dict(zip(names, ["downloading", "cancelled"], strict=True))
    assert [e.to_state for e in book.events if e.execution == names[0]] == [
        "queued",
        "submitting",
        "pending",
        "downloading",
    ]
    (account,) = set(book.account_of.values())
    (instance,) = book.account_of
    assert book.limits == {instance: 1, account: 200}
    assert book.rates == {instance: 10}


async def test_the_book_has_keys_and_what_should_be_gone(
    database: Database, database_url: str, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    request = make_request(instance, workflow, queue_timeout_seconds=60)
    name = show(EXECUTION_PREFIX, request.id)
    remembered = RememberedRequest("anna", "queue", "k1", b"", {"items": [{"id": name}]})
    await Acceptance(database).accept([request], owner="anna", request_id="r", remember=remembered)
    await database.execute(
        "update workflow_executions set state = 'cancelled', finished_at = now() where id = $1",
        request.id,
    )

    book = await read(database, database_url, instance)

    assert book.keys == [KeyRow("k1", (name,))]
    assert [left.which for left in book.leftovers] == [f"expire_execution of {name}"]


async def test_slots_are_sampled_while_a_round_goes_on(
    database: Database, database_url: str, instance: MadeInstance, workflow: MadeWorkflow
) -> None:
    name = await database.fetchval(
        "select amc_instance_id from amc_instances where id = $1", instance.key
    )

    with sampling(database_url, [name]) as samples:
        await accept_and_admit(database, make_request(instance, workflow))

        async def seen() -> bool:
            return any(sample.used == 1 for sample in samples)

        await until(seen, seconds=20)

    taken = [(s.scope == name, s.used, s.limit) for s in samples if s.used]
    assert set(taken) == {(True, 1, 10), (False, 1, 200)}


async def test_a_dump_tells_a_token_that_lies_in_a_table(
    database: Database, database_url: str, workflow: MadeWorkflow
) -> None:
    found = find_postgres()
    assert found is not None
    canaries = canaries_of(Secrets("a-key", "r-key", "pub", "priv-key", "c-secret", "s-token"))

    def dumped() -> tuple[bool, bool]:
        searched = search_dump(
            Path(found.folder / "pg_dump"),
            database_url,
            canaries,
            control=workflow.amc_workflow_id,
        )
        return bool(searched.found), searched.is_control_found

    before = await asyncio.to_thread(dumped)
    await database.execute("update workflows set description = 'Atza|secret'")

    assert before == (False, True)
    assert await asyncio.to_thread(dumped) == (True, True)


async def test_work_moves_on_when_what_a_worker_had_in_hand_leaves_its_state(
    database: Database, workflow: MadeWorkflow
) -> None:
    ours = await make_instance(database, max_concurrent_executions=1)
    in_hand, queued = await accept_and_admit(
        database, *(make_request(ours, workflow) for _ in range(2))
    )
    name = await database.fetchval(
        "select amc_instance_id from amc_instances where id = $1", ours.key
    )
    broke_at = await database.fetchval("select extract(epoch from clock_timestamp())::float8")
    await database.execute("select pg_sleep(0.2)")
    await Control(database).request_cancel(in_hand, by="anna")
    await Control(database).request_cancel(queued, by="anna")

    rows = await database.fetch(MOVED_ON, [name], broke_at)

    (seconds,) = (row["seconds"] for row in rows)
    assert 0.2 <= seconds < 5
