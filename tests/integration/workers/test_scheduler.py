"""What the scheduler does with requests from the queue, dead letters and abandoned work."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.scheduler.dead_letter_handler import DeadLetterHandler, _letter
from services.scheduler.intake_handler import IntakeHandler, UnknownInRequest
from services.scheduler.rescue import Rescuer
from shared.db.acceptance import Acceptance
from shared.db.control import Control
from shared.db.dead_letters import DeadLetters
from shared.db.executions_read import ExecutionsRead
from shared.db.idempotency import IdempotencyKeys
from shared.db.instances import Instances
from shared.db.pool import Database
from shared.db.workflows import Workflows
from shared.domain.errors import DatabaseUnavailable, InvalidRequest
from shared.intake.errors import IdempotencyKeyReused
from shared.intake.idempotency import Once
from shared.intake.intake import Intake
from shared.messaging.envelope import OutgoingMessage, ReceivedMessage
from shared.messaging.messages import ExecutionsAccepted, RequestExecutions, SubmitExecution
from shared.messaging.publisher import Receipt
from shared.runtime.admitter import Admitter
from tests.integration.builders import (
    MadeInstance,
    MadeWorkflow,
    accept,
    in_state,
    make_execution,
    make_instance,
    make_request,
    make_workflow,
    row_of,
    state_of,
    until,
)


@dataclass
class FakePublisher:
    """Confirms everything and remembers it."""

    sent: list[OutgoingMessage] = field(default_factory=list)

    async def publish_many(self, messages: Sequence[OutgoingMessage]) -> list[Receipt]:
        self.sent += messages
        return [Receipt(message.message_id) for message in messages]


@dataclass
class Hints:
    """Admission that is only asked for."""

    given: set[int] = field(default_factory=set)

    def soon(self, instance_ids: Any) -> None:
        self.given |= set(instance_ids)


@dataclass
class Bench:
    """The intake on the real database."""

    database: Database
    instance: MadeInstance
    workflow: MadeWorkflow
    publisher: FakePublisher = field(default_factory=FakePublisher)
    hints: Hints = field(default_factory=Hints)

    async def request(self, *items: dict[str, Any], **members: Any) -> None:
        database = self.database
        intake = Intake(
            Workflows(database),
            Instances(database),
            ExecutionsRead(database),
            Acceptance(database),
            self.hints,
            Once(IdempotencyKeys(database)),
        )
        body = {"request_id": "r-1", "items": items, **members}
        handler = IntakeHandler(intake, self.publisher)  # type: ignore[arg-type]
        await handler(RequestExecutions.model_validate(body), make_received(reply_to="replies"))

    def item(self, **members: Any) -> dict[str, Any]:
        return {"workflow_id": self.workflow.id.hex, "instance_id": "amcqueue", **members}

    @property
    def answers(self) -> list[ExecutionsAccepted]:
        return [ExecutionsAccepted.decode(message.body) for message in self.publisher.sent]


def make_received(**overrides: Any) -> ReceivedMessage:
    async def acknowledge() -> None:
        return None

    values = {
        "queue": "submitter.test",
        "message_id": str(uuid4()),
        "type": RequestExecutions.TYPE,
        "body": b"{}",
        "correlation_id": "correlated",
        "reply_to": None,
        "headers": {},
        "redelivered": False,
        "acknowledge": acknowledge,
        **overrides,
    }
    return ReceivedMessage(**values)


@pytest.fixture
async def bench(database: Database) -> Bench:
    return Bench(
        database,
        await make_instance(database, amc_instance_id="amcqueue"),
        await make_workflow(database),
    )


async def test_a_request_from_the_queue_is_stored_answered_and_hinted(bench: Bench) -> None:
    await bench.request(bench.item(), bench.item(), priority=8, tags={"team": "blue"})

    (answer,) = bench.answers
    row = await bench.database.fetchrow("select * from workflow_executions limit 1")
    assert row is not None
    assert (row["priority"], row["tags"], row["owner"]) == (8, {"team": "blue"}, "queue")
    assert [(item.index, item.status) for item in answer.items] == [(0, "queued"), (1, "queued")]
    assert bench.publisher.sent[0].correlation_id == "correlated"
    assert bench.hints.given == {bench.instance.key}


async def test_what_an_item_says_itself_wins(bench: Bench) -> None:
    item = bench.item(priority=1, tags={"team": "red"})

    await bench.request(item, priority=8, tags={"team": "blue", "run": "7"})

    row = await bench.database.fetchrow("select priority, tags from workflow_executions")
    assert row is not None
    assert tuple(row) == (1, {"team": "red", "run": "7"})


async def test_a_request_that_comes_twice_is_stored_once_and_answered_alike(
    bench: Bench,
) -> None:
    for _ in range(2):
        await bench.request(bench.item())

    first, second = bench.answers
    assert first == second
    assert await in_state(bench.database, "queued") == 1


async def test_a_request_id_with_other_content_is_refused(bench: Bench) -> None:
    await bench.request(bench.item())

    with pytest.raises(IdempotencyKeyReused):
        await bench.request(bench.item(), bench.item())

    assert await in_state(bench.database, "queued") == 1


@pytest.mark.parametrize(
    ("wrong", "error", "place"),
    [
        ({"instance_id": "amcnowhere"}, UnknownInRequest, ("items", 1, "instance_id")),
        ({"workflow_id": "wf_nothing"}, UnknownInRequest, ("items", 1, "workflow_id")),
        ({"priority": 99}, InvalidRequest, ("items", 1, "priority")),
        ({"parameters": {"brand": "a"}}, InvalidRequest, ("items", 1, "parameters", "brand")),
    ],
)
async def test_one_wrong_item_refuses_the_whole_request_and_is_named(
    bench: Bench,
    wrong: dict[str, Any],
    error: type[InvalidRequest],
    place: tuple[str | int, ...],
) -> None:
    with pytest.raises(error) as caught:
        await bench.request(bench.item(), bench.item(**wrong))

    assert [problem.loc for problem in caught.value.problems] == [place]
    assert await in_state(bench.database, "queued") == 0
    assert bench.publisher.sent == []


async def test_a_parked_command_is_recorded_and_ends_its_execution(bench: Bench) -> None:
    execution = await make_execution(bench.database, bench.instance, bench.workflow, "submitting")
    parked = make_received(
        type=SubmitExecution.TYPE,
        body=SubmitExecution(execution_id=execution).encode(),
        headers={"x-dead-reason": "bug", "x-dead-detail": "KeyError", "x-dead-queue": "work"},
    )
    handler = DeadLetterHandler(DeadLetters(bench.database))

    for _ in range(2):
        await handler(parked)

    letters = await bench.database.fetch("select queue, reason from dead_letters")
    assert [tuple(letter) for letter in letters] == [("work", "bug: KeyError")]
    assert await state_of(bench.database, execution) == "failed"
    assert "bug" in (await row_of(bench.database, execution))["error_message"]


@pytest.mark.parametrize(
    "garbage",
    [
        {"type": "a\x00b", "message_id": "c\x00", "correlation_id": "\x00", "reply_to": "\x00"},
        {"headers": {"x-dead-reason": "\x00", "x-dead-detail": "\x00", "x-dead-queue": "work\x00"}},
        {"headers": {"number": float("nan"), "other": float("-inf"), "n\x00": "v\x00"}},
        {"headers": {"amcflow-redrive": "no mark"}},
        {"headers": {"amcflow-redrive": 7}},
    ],
)
async def test_whatever_is_around_a_parked_message_is_recorded(
    bench: Bench, garbage: dict[str, Any]
) -> None:
    await DeadLetterHandler(DeadLetters(bench.database))(make_received(**garbage))

    assert await bench.database.fetchval("select count(*) from dead_letters") == 1


async def redriven(bench: Bench) -> tuple[UUID, ReceivedMessage, DeadLetters]:
    """An execution whose command was parked and sent again, that command, and the book."""
    execution = await make_execution(bench.database, bench.instance, bench.workflow, "submitting")
    letters = DeadLetters(bench.database)
    parked = make_received(
        type=SubmitExecution.TYPE, body=SubmitExecution(execution_id=execution).encode()
    )
    await letters.record(_letter(parked, "bug", execution))
    await letters.redrive(1, by="anna", queues=[parked.queue])
    return execution, parked, letters


async def test_a_late_copy_of_what_was_sent_again_ends_nothing(bench: Bench) -> None:
    execution, parked, letters = await redriven(bench)

    await DeadLetterHandler(letters)(parked)

    assert await state_of(bench.database, execution) == "submitting"


async def test_a_redriven_message_that_is_parked_again_ends_its_execution(bench: Bench) -> None:
    execution, parked, letters = await redriven(bench)
    mark = await bench.database.fetchval("select headers ->> 'amcflow-redrive' from outbox")

    again = make_received(type=parked.type, body=parked.body, headers={"amcflow-redrive": mark})
    await DeadLetterHandler(letters)(again)

    assert (await letters.get(1)).parked_count == 2
    assert await state_of(bench.database, execution) == "failed"


@pytest.mark.parametrize("body", [b"\xff\x00 no json", b"{}", b'{"execution_id": "no id"}', b""])
async def test_whatever_is_parked_is_recorded(bench: Bench, body: bytes) -> None:
    parked = make_received(queue="work.dead", type=SubmitExecution.TYPE, body=body)

    await DeadLetterHandler(DeadLetters(bench.database))(parked)

    letter = await bench.database.fetchrow("select queue, reason from dead_letters")
    assert letter is not None
    assert tuple(letter) == ("work", "unknown")


async def test_a_parked_message_of_another_kind_ends_nothing(bench: Bench) -> None:
    execution = await make_execution(bench.database, bench.instance, bench.workflow, "running")
    parked = make_received(
        type="cancel_execution.v1", body=SubmitExecution(execution_id=execution).encode()
    )

    await DeadLetterHandler(DeadLetters(bench.database))(parked)

    assert await state_of(bench.database, execution) == "running"


async def rescuing(control: Any, woken: asyncio.Event) -> tuple[asyncio.Event, asyncio.Task[None]]:
    stop = asyncio.Event()
    rescuer = Rescuer(control, woken.set, timedelta(milliseconds=10))
    return stop, asyncio.ensure_future(rescuer.run(stop))  # type: ignore[return-value]


async def test_the_rescuer_brings_work_back_and_has_its_commands_sent(bench: Bench) -> None:
    (execution,) = await accept(bench.database, make_request(bench.instance, bench.workflow))
    woken = asyncio.Event()

    stop, task = await rescuing(Control(bench.database), woken)
    async with asyncio.timeout(2):
        await woken.wait()
    stop.set()
    await task

    assert await state_of(bench.database, execution) == "submitting"


@dataclass
class AbsentControl:
    """A database that is away at first."""

    looks: int = 0

    async def rescue(self, *, limit: int = 0) -> dict[str, int]:
        self.looks += 1
        if self.looks < 3:
            raise DatabaseUnavailable("away")
        return {"admitted": 1}


async def test_the_rescuer_outlives_a_database_that_is_away() -> None:
    woken = asyncio.Event()

    stop, task = await rescuing(AbsentControl(), woken)
    async with asyncio.timeout(2):
        await woken.wait()
    stop.set()
    await task


@dataclass
class SlowAdmission:
    """Admission that takes as long as the test wants."""

    database_errors: int = 0
    steps: list[set[int]] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def admit(self, instance_ids: Any) -> int:
        self.steps.append(set(instance_ids))
        await self.go_on.wait()
        if len(self.steps) <= self.database_errors:
            raise DatabaseUnavailable("away")
        return 0


async def admitting(admission: SlowAdmission, woken: list[int]) -> Admitter:
    return Admitter(admission, lambda: woken.append(1))


@pytest.mark.parametrize("errors", [0, 1])
async def test_hints_that_come_during_a_step_are_gathered_into_the_next(errors: int) -> None:
    admission, woken, stop = SlowAdmission(errors), list[int](), asyncio.Event()
    admitter = await admitting(admission, woken)
    task = asyncio.ensure_future(admitter.run(stop))

    async def one_step() -> bool:
        return len(admission.steps) == 1

    admitter.soon([1])
    await until(one_step)
    for instance in (2, 3, 2, 4):
        admitter.soon([instance])
    admission.go_on.set()

    async def two_steps() -> bool:
        return len(woken) == 2

    await until(two_steps)
    stop.set()
    await task
    assert admission.steps == [{1}, {2, 3, 4}]
