"""Copies of a template database."""

import asyncpg

from deploy.local.databases import clone_database, database_of, drop_database


async def test_a_clone_has_what_its_template_has(postgres_server: str) -> None:
    template = await clone_database(postgres_server, "template1")
    connection = await asyncpg.connect(template)
    await connection.execute("create table kept as select 1 as id")
    await connection.close()

    copy = await clone_database(postgres_server, database_of(template))

    connection = await asyncpg.connect(copy)
    rows = await connection.fetchval("select count(*) from kept")
    await connection.close()
    assert rows == 1
    for url in (copy, template):
        await drop_database(postgres_server, url)
