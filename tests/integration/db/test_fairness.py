"""In which order: priority, then turns that lanes take, then age."""

from uuid import UUID

from shared.db.control import Control
from shared.db.pool import Database
from tests.integration.builders import (
    MadeInstance,
    MadeWorkflow,
    accept,
    accept_and_admit,
    finish,
    make_instance,
    make_request,
)


class Line:
    """An instance with a single slot, and who got it in which order."""

    def __init__(self, database: Database, instance: MadeInstance, workflow: MadeWorkflow) -> None:
        self.database = database
        self.instance = instance
        self.workflow = workflow

    async def ask(self, lane: str, number: int = 1, *, priority: int = 5) -> list[UUID]:
        """One request of its own for each, as single posts are."""
        asked = []
        for _ in range(number):
            request = make_request(self.instance, self.workflow, lane=lane, priority=priority)
            asked += await accept_and_admit(self.database, request)
        return asked

    async def bulk(self, lane: str, number: int) -> list[UUID]:
        requests = [make_request(self.instance, self.workflow, lane=lane) for _ in range(number)]
        return await accept_and_admit(self.database, *requests)

    async def serve(self, number: int) -> str:
        """The lanes of the next executions to hold the slot, in order."""
        lanes = ""
        for _ in range(number):
            row = await self.database.fetchrow(
                "select id, lane, priority from workflow_executions where state = 'submitting'"
            )
            assert row is not None
            lanes += row["lane"] + ("!" if row["priority"] > 5 else "")
            await finish(self.database, row["id"])
        return lanes


async def line(database: Database, workflow: MadeWorkflow) -> Line:
    instance = await make_instance(database, max_concurrent_executions=1)
    return Line(database, instance, workflow)


async def test_a_lane_that_comes_later_takes_turns_with_one_that_was_there_first(
    database: Database, workflow: MadeWorkflow
) -> None:
    served = await line(database, workflow)

    await served.bulk("A", 100)
    trace = await served.serve(6)
    await served.bulk("B", 20)
    trace += await served.serve(7)
    await served.ask("C")
    trace += await served.serve(4)
    await served.ask("D", priority=9)
    trace += await served.serve(5)

    assert trace == "AAAAAAAABABABABCABD!ABA"


async def test_single_posts_of_a_lane_take_turns_with_a_bulk(
    database: Database, workflow: MadeWorkflow
) -> None:
    served = await line(database, workflow)

    await served.bulk("A", 10)
    await served.ask("B", 3)

    assert await served.serve(8) == "AABABABA"


async def test_a_cancelled_mass_leaves_no_debt(database: Database, workflow: MadeWorkflow) -> None:
    served = await line(database, workflow)
    await served.ask("X")
    mass = await served.bulk("A", 100)
    for execution in mass:
        await Control(database).request_cancel(execution, by="anna")

    await served.bulk("B", 3)
    await served.bulk("A", 3)

    assert await served.serve(7) == "XBABABA"


async def test_higher_priorities_go_first_and_equal_ones_by_age(
    database: Database, workflow: MadeWorkflow
) -> None:
    instance = await make_instance(database, max_concurrent_executions=1)
    order = [
        make_request(instance, workflow, id=UUID(int=age), lane=lane, priority=priority)
        for age, (lane, priority) in enumerate(zip("abcde", (5, 0, 9, 5, 9), strict=True))
    ]
    await accept(database, *order)
    await Control(database).admit([instance.key])
    served = Line(database, instance, workflow)

    assert (await served.serve(5)).replace("!", "") == "ceadb"
