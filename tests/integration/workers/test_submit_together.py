"""Many SubmitExecution commands at once, gathered into common commits."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from typing_extensions import override

from services.submitter.gathered_submissions import GatheredSubmissions
from shared.db.submission import Submissions
from shared.domain.claims import SubmissionClaim
from shared.domain.errors import StaleTransition
from shared.domain.ids import AmcExecutionId
from shared.messaging.messages import SubmitExecution
from tests.integration.builders import gathered, states_of
from tests.integration.workers.bench import Bench


@dataclass(frozen=True, slots=True)
class Counted(Submissions):
    """The moves, with the number of executions in each claiming commit."""

    claims: list[int] = field(default_factory=list)

    @override
    async def claim_all(
        self, execution_ids: Sequence[UUID], *, lease: timedelta
    ) -> list[SubmissionClaim | StaleTransition]:
        self.claims.append(len(execution_ids))
        return await Submissions.claim_all(self, execution_ids, lease=lease)


@asynccontextmanager
async def running(submissions: Submissions) -> AsyncIterator[GatheredSubmissions]:
    together, stop = GatheredSubmissions.over(submissions), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(together.run(stop))
        yield together
        stop.set()


async def test_a_crowd_reaches_amc_once_each_and_in_few_commits(bench: Bench) -> None:
    executions = [await bench.execution() for _ in range(20)]
    counted = Counted(bench.database)

    async with running(counted) as submissions:
        handler = bench.submitter(submissions)
        await asyncio.gather(*(handler(SubmitExecution(execution_id=each)) for each in executions))

    assert set(await states_of(bench.database, executions)) == {"pending"}
    assert bench.amc.count("create_execution") == 20
    assert sum(counted.claims) == 20
    assert len(counted.claims) <= 3


async def test_a_command_that_came_too_often_is_refused_alone(bench: Bench) -> None:
    executions = [await bench.execution() for _ in range(3)]

    async with running(bench.submissions) as submissions:
        handler = bench.submitter(submissions)
        ends = await gathered(
            [handler(SubmitExecution(execution_id=each)) for each in (*executions, executions[1])]
        )

    assert [type(end) for end in ends] == [type(None)] * 3 + [StaleTransition]
    assert bench.amc.count("create_execution") == 3


async def test_an_answer_whose_id_has_an_owner_spoils_no_other_binding(bench: Bench) -> None:
    first, second = [await bench.execution(), await bench.execution()]
    await bench.at_amc(amc_execution_id="taken")

    async with running(bench.submissions) as submissions:
        claims = [
            await submissions.claim_for_submission(each, lease=timedelta(minutes=1))
            for each in (first, second)
        ]
        ends = await gathered(
            [
                submissions.bind(
                    claim,
                    amc_execution_id=AmcExecutionId(name),
                    amc_status="PENDING",
                    created_at=datetime.now(UTC),
                )
                for claim, name in zip(claims, ("taken", "free"), strict=True)
            ]
        )

    assert [type(end) for end in ends] == [StaleTransition, type(None)]
    assert await states_of(bench.database, [first, second]) == ["submitting", "pending"]
