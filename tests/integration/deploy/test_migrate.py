"""The migration step and the maker of tokens, as the processes a deployment runs."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.local.paths import PROJECT
from shared.db.pool import Database
from shared.db.service_tokens import ServiceTokens
from shared.messaging.topology import Topology, verify_at
from shared.security.service_tokens import hash_service_token

NOBODY = "127.0.0.1:1"


async def _run(
    *arguments: str, cwd: Path, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_it_brings_up_schema_and_topology_and_may_be_repeated(
    fresh_database_url: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    servers = {"DATABASE_URL": fresh_database_url, "AMQP_URL": rabbitmq_url}

    first = await _run("deploy.migrate", cwd=tmp_path, **servers)
    second = await _run("deploy.migrate", cwd=tmp_path, **servers)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == (
        "migrate: the schema is up to date, exchanges and queues are declared\n"
    )
    await verify_at(rabbitmq_url, Topology())


async def test_missing_variables_are_named_one_in_a_line(tmp_path: Path) -> None:
    done = await _run("deploy.migrate", cwd=tmp_path)

    assert done.returncode == 2
    assert sorted(done.stderr.splitlines()) == [
        "migrate: AMQP_URL: is not set",
        "migrate: DATABASE_URL: is not set",
    ]


@pytest.mark.parametrize("name", ["DATABASE_URL", "AMQP_URL"])
async def test_an_address_of_something_else_is_refused_without_being_shown(
    name: str, tmp_path: Path
) -> None:
    given = {
        "DATABASE_URL": "postgresql://host/x",
        "AMQP_URL": "amqp://host",
        name: "https://x:y@z",
    }

    done = await _run("deploy.migrate", cwd=tmp_path, **given)

    assert done.returncode == 2
    assert done.stderr.startswith(f"migrate: {name}: ")
    assert "x:y@z" not in done.stderr


async def test_an_address_that_cannot_be_taken_apart_is_one_line(tmp_path: Path) -> None:
    done = await _run(
        "deploy.migrate",
        cwd=tmp_path,
        DATABASE_URL="postgresql://user:secret@host:port/x",
        AMQP_URL="amqp://host",
    )

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.stderr


async def test_a_database_that_is_away_is_one_line(tmp_path: Path, rabbitmq_url: str) -> None:
    done = await _run(
        "deploy.migrate",
        cwd=tmp_path,
        DATABASE_URL=f"postgresql://user:secret@{NOBODY}/x",
        AMQP_URL=rabbitmq_url,
    )

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("migrate: Postgres could not be migrated: ")
    assert "DATABASE_URL" in line
    assert "secret" not in line


async def test_a_refused_password_is_one_line(
    postgres_server: str, rabbitmq_url: str, tmp_path: Path
) -> None:
    server = urlsplit(postgres_server)
    wrong = f"postgresql://nobody:secret@{server.hostname}:{server.port}{server.path}"

    done = await _run("deploy.migrate", cwd=tmp_path, DATABASE_URL=wrong, AMQP_URL=rabbitmq_url)

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "password authentication failed" in line


async def test_a_broker_that_is_away_is_one_line_after_the_schema(
    fresh_database_url: str, tmp_path: Path
) -> None:
    done = await _run(
        "deploy.migrate",
        cwd=tmp_path,
        DATABASE_URL=fresh_database_url,
        AMQP_URL=f"amqp://user:secret@{NOBODY}/",
    )

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("migrate: RabbitMQ ")
    assert "AMQP_URL" in line
    assert "secret" not in line


async def test_a_token_is_shown_once_and_known_by_its_hash(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    made = await _run("deploy.service_token", "reporting", cwd=tmp_path, DATABASE_URL=database_url)
    again = await _run("deploy.service_token", "reporting", cwd=tmp_path, DATABASE_URL=database_url)

    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    assert await ServiceTokens(database).name_of(hash_service_token(token)) == "reporting"
    assert again.returncode == 1
    assert again.stdout == ""
    assert len(again.stderr.splitlines()) == 1
