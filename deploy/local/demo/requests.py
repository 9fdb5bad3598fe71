"""Asks for the demo's executions: one by one, in bulk, by a message, and cancels two of them."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

import aio_pika

from deploy.local.demo.plan import REFUSED, TOTAL, WORKFLOWS, Wanted, batches
from deploy.local.problems import LocalStackError
from deploy.local.welcome import INSTANCES, Api

_PLACES = 4
_AT_AMC = ("pending", "running")
_PATIENCE_SECONDS = 30


@dataclass(slots=True)
class Asked:
    """The executions that were asked for, and how each should end."""

    expected: dict[str, str] = field(default_factory=dict)
    """Execution id to final state."""

    def add(self, answer: dict[str, object], state: str = "completed") -> str:
        """One that was accepted."""
        execution_id = str(answer["id"])
        self.expected[execution_id] = state
        return execution_id


def prepare(api: Api) -> dict[str, str]:
    """Save the workflows, give each instance few places; workflow ids by name."""
    for instance in INSTANCES:
        api.patch(f"/instances/{instance}", {"max_concurrent_executions": _PLACES})
    ids = {}
    for workflow in (*WORKFLOWS, REFUSED):
        saved = api.post("/workflows", {"name": workflow.name, "sql_query": workflow.sql})
        ids[workflow.name] = str(saved["id"])
    return ids


def ask(api: Api, amqp_url: str, ids: dict[str, str], show: Callable[[Asked], None]) -> Asked:
    """Ask for all of them; `show` is called while waiting."""
    asked = Asked()
    single, bulk, by_queue = batches()
    first = _one(api, single[0], ids)
    to_cancel_at_amc = asked.add(first, "cancelled")
    for wanted in single:
        asked.add(_one(api, wanted, ids))
    answer = api.post("/executions/bulk", {"items": [wanted.item(ids) for wanted in bulk]})
    _add_all(asked, answer)
    _add_all(asked, asyncio.run(_by_queue(amqp_url, by_queue, ids)))
    _cancel_queued(api, asked, single[0], ids)
    asked.add(_one(api, Wanted(REFUSED, single[0].instance), ids), "failed")
    _cancel_at_amc(api, to_cancel_at_amc, lambda: show(asked))
    if len(asked.expected) != TOTAL:
        raise LocalStackError(f"{len(asked.expected)} executions were accepted, not {TOTAL}")
    return asked


def _one(api: Api, wanted: Wanted, ids: dict[str, str], *, priority: int = 5) -> dict[str, object]:
    item = wanted.item(ids)
    workflow_id = item.pop("workflow_id")
    return api.post(f"/workflows/{workflow_id}/executions", {**item, "priority": priority})


def _add_all(asked: Asked, answer: dict[str, object]) -> None:
    items = answer["items"]
    if not isinstance(items, list):
        raise LocalStackError(f"the request was refused: {answer}")
    for item in items:
        asked.add(item)


def _cancel_queued(api: Api, asked: Asked, wanted: Wanted, ids: dict[str, str]) -> None:
    """The last in line of a full instance: nothing of it ever reaches AMC."""
    last = asked.add(_one(api, wanted, ids, priority=0), "cancelled")
    answer = api.post(f"/executions/{last}/cancel")
    if answer["status"] != "cancelled":
        raise LocalStackError(f"{last} was to be cancelled in the queue, but is {answer['status']}")


def _cancel_at_amc(api: Api, execution_id: str, show: Callable[[], None]) -> None:
    """One that AMC has: it is cancelled when AMC says so."""
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while (status := api.get(f"/executions/{execution_id}/status")["status"]) not in _AT_AMC:
        if time.monotonic() > give_up_at:
            raise LocalStackError(f"{execution_id} did not reach AMC; it is {status}")
        show()
    api.post(f"/executions/{execution_id}/cancel")


async def _by_queue(amqp_url: str, items: list[Wanted], ids: dict[str, str]) -> dict[str, object]:
    """As another program would: one message, and the answer on a queue of its own."""
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        replies = await channel.declare_queue(exclusive=True)
        body = {"request_id": f"demo-{uuid4()}", "items": [item.item(ids) for item in items]}
        await channel.default_exchange.publish(
            aio_pika.Message(
                json.dumps(body).encode(), reply_to=replies.name, correlation_id=str(uuid4())
            ),
            routing_key="amcflow.requests",
        )
        async with replies.iterator(timeout=_PATIENCE_SECONDS) as messages:
            async for message in messages:
                await message.ack()
                answer: dict[str, object] = json.loads(message.body)
                return answer
    raise LocalStackError("no answer came on the reply queue")
