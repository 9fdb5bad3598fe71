"""Requests of other programs: answered where they ask for it, parked where they are wrong."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from aio_pika.abc import AbstractChannel

from shared.domain.errors import FieldProblem, InvalidRequest
from shared.messaging.envelope import ReceivedMessage
from shared.messaging.messages import (
    AcceptedItem,
    ExecutionsAccepted,
    RequestExecutions,
    RequestRefused,
)
from shared.messaging.publisher import Publisher
from shared.messaging.replies import RefusalReply, answer
from shared.messaging.routes import Route, handles_envelope
from shared.messaging.topology import Topology
from tests.integration.messaging.bench import Bench, Running, first, soon

DOCS = Path(__file__).parents[3] / "docs"
REQUEST = b'{"request_id": "r-1", "items": [{"workflow_id": "wf_1", "instance_id": "amc1"}]}'


def accepting(publisher: Publisher) -> Route:
    """The scheduler's stand-in: stores nothing, accepts everything."""

    async def accept(request: RequestExecutions, received: ReceivedMessage) -> None:
        items = tuple(
            AcceptedItem(index=index, id=f"ex_{index}", status="queued")
            for index, _ in enumerate(request.items)
        )
        accepted = ExecutionsAccepted(request_id=request.request_id, items=items)
        await answer(publisher, received, accepted)

    return handles_envelope(RequestExecutions, accept)


def refusing() -> Route:
    """A handler that finds the workflow missing."""

    async def refuse(request: RequestExecutions, received: ReceivedMessage) -> None:
        where = FieldProblem(("items", 0, "workflow_id"), "no such workflow")
        raise InvalidRequest("1 of 1 items is wrong.", problems=(where,))

    return handles_envelope(RequestExecutions, refuse)


def intake(bench: Bench, route: Route) -> Running:
    return bench.consume(
        route,
        on_refused=RefusalReply(bench.publisher),
        default_type=RequestExecutions.TYPE,
    )


@pytest.fixture
async def reply_to(channel: AbstractChannel) -> str:
    queue = await channel.declare_queue(exclusive=True)
    return queue.name


async def test_a_request_is_answered_with_its_ids_under_its_correlation_id(
    bench: Bench, reply_to: str
) -> None:
    intake(bench, accepting(bench.publisher))

    await bench.send(body=REQUEST, type="", reply_to=reply_to, correlation_id="c-1")

    reply = await first(bench.channel, reply_to)
    accepted = ExecutionsAccepted.decode(reply.body)
    assert (reply.type, reply.correlation_id) == (ExecutionsAccepted.TYPE, "c-1")
    assert accepted.items == (AcceptedItem(index=0, id="ex_0", status="queued"),)


async def test_an_unreadable_request_is_answered_with_its_faults_and_parked(
    bench: Bench, reply_to: str
) -> None:
    intake(bench, accepting(bench.publisher))
    body = b'{"request_id": "r-1", "items": [{"workflow_id": "wf_1", "instance": "amc1"}]}'

    await bench.send(body=body, type="", reply_to=reply_to, correlation_id="c-1")

    reply = await first(bench.channel, reply_to)
    refused = RequestRefused.decode(reply.body)
    assert (reply.type, reply.correlation_id) == (RequestRefused.TYPE, "c-1")
    assert (refused.request_id, refused.problem.code) == ("r-1", "invalid_request")
    assert {error.loc for error in refused.problem.errors} == {
        ("items", 0, "instance_id"),
        ("items", 0, "instance"),
    }
    parked = await bench.dead_letter()
    assert parked.headers["x-dead-reason"] == "invalid_request"


async def test_a_request_the_handler_refuses_is_answered_and_parked(
    bench: Bench, reply_to: str
) -> None:
    intake(bench, refusing())

    await bench.send(body=REQUEST, type="", reply_to=reply_to)

    refused = RequestRefused.decode((await first(bench.channel, reply_to)).body)
    assert refused.problem.errors[0].loc == ("items", 0, "workflow_id")
    assert (await bench.dead_letter()).body == REQUEST


async def test_not_even_json_is_answered_too(bench: Bench, reply_to: str) -> None:
    intake(bench, accepting(bench.publisher))

    await bench.send(body=b"hello", type="", reply_to=reply_to)

    refused = RequestRefused.decode((await first(bench.channel, reply_to)).body)
    assert (refused.request_id, refused.problem.status) == (None, 422)


async def test_an_absent_reply_queue_is_nobodys_error(bench: Bench) -> None:
    running = intake(bench, accepting(bench.publisher))

    await bench.send(body=REQUEST, type="", reply_to="gone.for.good")
    await bench.send(body=b"then a bad one", type="", reply_to="gone.for.good")

    assert (await bench.dead_letter()).body == b"then a bad one"
    await running.stopped()
    assert await bench.left_over() == []


async def test_the_client_in_the_docs_works(
    bench: Bench, topology: Topology, broker_url: str
) -> None:
    bench.consume(accepting(bench.publisher), queue=topology.intake)
    page = (DOCS / "queue-intake.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)

    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "r-1", "wf_1", "amc1",
        env={**os.environ, "AMQP_URL": broker_url},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await soon(client.communicate())

    assert client.returncode == 0
    assert output.decode().split(" ", 1)[0] == ExecutionsAccepted.TYPE
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
