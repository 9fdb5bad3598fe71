"""The API as a process: how it starts, refuses to start, and ends."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

import httpx
import pytest

from deploy.local.ports import free_ports
from shared.messaging.connection import connection_to
from shared.messaging.topology import Topology, declare_at
from tests.integration.api.conftest import PAIR, SQL


@pytest.fixture
async def environment(database_url: str, rabbitmq_url: str) -> dict[str, str]:
    await declare_at(rabbitmq_url, Topology())
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "AMQP_URL": rabbitmq_url,
        "SEALING_PUBLIC_KEY": PAIR.public,
        "AMCFLOW_API_PORT": str(free_ports(1)[0]),
    }


async def start(module: str, *arguments: str, environment: dict[str, str]) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, env=environment, stdout=PIPE, stderr=PIPE
    )


async def ended(module: str, *arguments: str, environment: dict[str, str]) -> tuple[int, str, str]:
    process = await start(module, *arguments, environment=environment)
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture
async def served(environment: dict[str, str]) -> AsyncIterator[tuple[Process, httpx.AsyncClient]]:
    """A running process and a client with a token for it."""
    _, token, _ = await ended("services.api.tokens", "create", "me", environment=environment)
    process = await start("services.api", environment=environment)
    url = f"http://127.0.0.1:{environment['AMCFLOW_API_PORT']}"
    headers = {"Authorization": f"Bearer {token.strip()}"}
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers) as client:
            await answers(client, process)
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def answers(client: httpx.AsyncClient, process: Process) -> None:
    """Until it listens; its log has a line for that."""
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while b"service_started" not in await process.stderr.readline():
            assert process.returncode is None
        while True:
            try:
                await client.get("/healthz")
            except httpx.TransportError:
                continue
            return


async def test_a_process_accepts_work_and_ends_on_sigterm_with_listeners_connected(
    served: tuple[Process, httpx.AsyncClient],
):
    process, client = served

    ready = await client.get("/readyz")
    created = await client.post("/api/v1/workflows", json={"name": "w", "sql_query": SQL})
    async with client.stream("GET", "/api/v1/events") as stream:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0

    assert (ready.status_code, ready.json()["broker"]) == (200, "connected")
    assert (created.status_code, stream.status_code) == (201, 200)


async def test_what_was_accepted_is_admitted_and_its_command_published(
    served: tuple[Process, httpx.AsyncClient], environment: dict[str, str]
):
    _, client = served
    execution = await asked_for(client)

    async with (
        asyncio.timeout(20),
        client.stream(
            "GET", f"/api/v1/events?execution_id={execution}", headers={"Last-Event-ID": "0"}
        ) as stream,
    ):
        seen = [line async for line in until(stream, '"status":"submitting"')]

    assert any('"status":"queued"' in line for line in seen)
    async with connection_to(environment["AMQP_URL"], name="test") as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(Topology().submit_execution.name)
        async with asyncio.timeout(10), queue.iterator() as messages:
            message = await anext(messages)
            await message.ack()
        assert message.type == "submit_execution.v1"


async def asked_for(client: httpx.AsyncClient) -> str:
    """The id of an execution of its own workflow, instance, account and credential."""

    async def made(path: str, **body: str) -> str:
        response = await client.post(f"/api/v1/{path}", json=body)
        assert response.is_success, response.text
        return response.json()["id"]

    credential = await made("credentials", name="c", refresh_token="Atzr|x", region="NA")
    account = await made("accounts", entity_id="E", marketplace_id="M", credential_id=credential)
    instance = await made("instances", instance_id="amcone", account_id=account)
    workflow = await made("workflows", name="w", sql_query=SQL)
    return await made(f"workflows/{workflow}/executions", instance_id=instance)


async def until(stream: httpx.Response, mark: str) -> AsyncIterator[str]:
    async for line in stream.aiter_lines():
        yield line
        if mark in line:
            return


async def test_the_docs_page_is_open(served: tuple[Process, httpx.AsyncClient]):
    _, client = served
    client.headers.pop("Authorization")

    assert (await client.get("/docs")).status_code == 200


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, "Postgres"),
        ({"AMQP_URL": "amqp://x:y@127.0.0.1:1/"}, "RabbitMQ"),
        ({"SEALING_PUBLIC_KEY": ""}, "SEALING_PUBLIC_KEY"),
        ({"SEALING_PUBLIC_KEY": "nonsense"}, "SEALING_PUBLIC_KEY"),
    ],
)
async def test_what_is_missing_at_the_start_is_one_clear_line_and_a_failure(
    environment: dict[str, str], changed: dict[str, str], said: str
):
    code, _, err = await ended("services.api", environment={**environment, **changed})

    assert code != 0
    assert said in err.splitlines()[-1]


async def test_check_only_validates(environment: dict[str, str]):
    assert (await ended("services.api", "--check", environment=environment))[0] == 0


async def test_a_token_is_shown_once_and_its_name_is_taken_for_good(
    environment: dict[str, str],
):
    first = await ended("services.api.tokens", "create", "me", environment=environment)
    second = await ended("services.api.tokens", "create", "me", environment=environment)
    revoked = await ended("services.api.tokens", "revoke", "me", environment=environment)
    again = await ended("services.api.tokens", "revoke", "me", environment=environment)

    assert first[1].startswith("amc_sk_")
    assert (first[0], second[0], revoked[0], again[0]) == (0, 1, 0, 1)
    assert "already" in second[2]
