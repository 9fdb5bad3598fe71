"""Requests that share a commit are stored as if each had come alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from shared.db.acceptance import Acceptance, NewRequest, RememberedRequest
from shared.db.instances import Instances
from shared.db.pool import Database
from shared.db.workflows import Workflows
from shared.domain.errors import StaleTransition
from shared.runtime.gathered_intake import GatheredIntake
from tests.integration.builders import (
    MadeInstance,
    MadeWorkflow,
    make_request,
)


@dataclass
class Store:
    """The real one; its first step waits, so that all others come together."""

    acceptance: Acceptance
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    together: list[int] = field(default_factory=list)
    begun: asyncio.Queue[None] = field(default_factory=asyncio.Queue)

    async def accept_all(self, requests: Sequence[NewRequest]) -> None:
        self.together.append(len(requests))
        self.begun.put_nowait(None)
        await self.opened.wait()
        await self.acceptance.accept_all(requests)


@pytest.fixture
async def store(database: Database) -> Store:
    return Store(Acceptance(database))


@pytest.fixture
async def intake(database: Database, store: Store) -> AsyncIterator[GatheredIntake]:
    made, stop = GatheredIntake(Workflows(database), Instances(database), store), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(made.run(stop))
        yield made
        stop.set()


@dataclass(frozen=True)
class Asking:
    """Asks for executions of one workflow on one instance."""

    intake: GatheredIntake
    store: Store
    instance: MadeInstance
    workflow: MadeWorkflow

    async def accept(self, owner: str, *, count: int = 1, key: str | None = None) -> None:
        executions = [make_request(self.instance, self.workflow, lane=owner) for _ in range(count)]
        await self.intake.accept(
            executions,
            owner=owner,
            request_id=f"request-of-{owner}",
            remember=key and RememberedRequest(owner, "execute", key, b"sha", {"items": []}),
        )

    async def together(self, *requests: tuple[str, str | None]) -> list[BaseException | None]:
        """How each ended, all but the first (which held them up) in one step."""
        first = asyncio.ensure_future(self.accept("first"))
        await self.store.begun.get()
        others = [asyncio.ensure_future(self.accept(owner, key=key)) for owner, key in requests]
        await asyncio.sleep(0)
        self.store.opened.set()
        await first
        return await asyncio.gather(*others, return_exceptions=True)


@pytest.fixture
def asking(
    intake: GatheredIntake, store: Store, instance: MadeInstance, workflow: MadeWorkflow
) -> Asking:
    return Asking(intake, store, instance, workflow)


async def test_each_row_says_who_asked(asking: Asking, database: Database) -> None:
    assert await asking.together(("anna", None), ("ben", None)) == [None, None]

    rows = await database.fetch(
        "select owner, lane, request_id from workflow_executions where owner <> 'first'"
        " order by owner"
    )
    assert [tuple(row) for row in rows] == [
        ("anna", "anna", "request-of-anna"),
        ("ben", "ben", "request-of-ben"),
    ]
    assert asking.store.together == [1, 2]


async def test_owners_take_turns_in_line(asking: Asking, database: Database) -> None:
    await asking.together(("anna", None), ("anna", None), ("ben", None), ("ben", None))

    rows = await database.fetch(
        "select owner from workflow_executions where owner <> 'first' order by turn, id"
    )
    assert {row["owner"] for row in rows[:2]} == {"anna", "ben"}
    assert {row["owner"] for row in rows[2:]} == {"anna", "ben"}


async def test_of_twins_in_one_commit_one_is_stored_and_their_neighbour_too(
    asking: Asking, database: Database
) -> None:
    ended = await asking.together(("anna", "k"), ("anna", "k"), ("ben", "k"))

    assert [type(end) for end in ended[:2]].count(StaleTransition) == 1
    assert ended[2] is None
    owners = await database.fetch("select owner from workflow_executions order by owner")
    assert [row["owner"] for row in owners] == ["anna", "ben", "first"]


async def test_each_has_its_history(asking: Asking, database: Database) -> None:
    await asking.together(("anna", None), ("ben", None))

    assert await database.fetchval("select count(*) from execution_events") == 3


async def test_a_large_request_holds_nobody_up(asking: Asking, database: Database) -> None:
    large = asyncio.ensure_future(asking.accept("bulk", count=200))
    await asking.store.begun.get()
    small = asyncio.ensure_future(asking.accept("anna"))
    await asking.store.begun.get()

    asking.store.opened.set()
    await asyncio.gather(large, small)

    assert asking.store.together == [1, 1]
    assert await database.fetchval("select count(*) from workflow_executions") == 201


async def test_look_ups_find_what_is_asked_for_and_nothing_else(
    intake: GatheredIntake, instance: MadeInstance, workflow: MadeWorkflow, database: Database
) -> None:
    name = await database.fetchval("select amc_instance_id from amc_instances")

    defined, none, known = await asyncio.gather(
        intake.definitions([workflow.id]), intake.references(["nobody"]), intake.references([name])
    )

    assert defined[workflow.id].amc_workflow_id == workflow.amc_workflow_id
    assert none.get("nobody") is None
    assert known[name].key == instance.key
