"""The submitter's work as a taskiq task: the same two row updates around the same HTTP call.

Run by .venv-bench: quorum queue, acknowledged when the task has ended, one commit per update.
"""

import asyncio
import json
import os
import sys

import aiohttp
import asyncpg
from taskiq import TaskiqEvents, TaskiqState
from taskiq.acks import AcknowledgeType
from taskiq_aio_pika import AioPikaBroker, Exchange, Queue, QueueType

broker = AioPikaBroker(
    os.environ["AMQP_URL"],
    exchange=Exchange(name="rival.taskiq"),
    task_queues=[Queue(name="rival.taskiq", type=QueueType.QUORUM)],
    qos=int(os.environ.get("RIVAL_PREFETCH", "64")),
)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def start(state: TaskiqState) -> None:
    state.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=10)
    state.http = aiohttp.ClientSession()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def stop(state: TaskiqState) -> None:
    await state.http.close()
    await state.pool.close()


@broker.task(task_name="submit", ack_type=AcknowledgeType.WHEN_EXECUTED.value)
async def submit(number: int) -> None:
    pool, http = broker.state.pool, broker.state.http
    row = await pool.fetchrow(
        "update rival_executions set state = 'submitting', claimed_at = clock_timestamp()"
        " where id = $1 and state = 'queued' returning amc_instance_id, body",
        number,
    )
    if row is None:
        return
    async with http.post(
        f"{os.environ['STUB_URL']}/amc/reporting/{row['amc_instance_id']}/workflowExecutions",
        data=row["body"],
        headers={
            "Authorization": "Bearer Atza|bench",
            "Amazon-Advertising-API-ClientId": "bench",
            "Content-Type": "application/json",
        },
    ) as answer:
        found = json.loads(await answer.read())
    await pool.execute(
        "update rival_executions set state = 'pending', amc_execution_id = $1,"
        " submitted_at = clock_timestamp() where id = $2 and state = 'submitting'",
        found["workflowExecutionId"],
        number,
    )


async def send(count: int) -> None:
    await broker.startup()
    for number in range(1, count + 1):
        await submit.kiq(number)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(send(int(sys.argv[1])))
