"""Databases on a server we may create databases on."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit

import asyncpg

_CONNECT_SECONDS = 10.0


async def clone_database(server_url: str, template: str) -> str:
    """The URL of a fresh copy of `template`, to which nobody may be connected meanwhile."""
    name = f"{template[:40]}_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(server_url, timeout=_CONNECT_SECONDS)
    try:
        await connection.execute(
            f'create database "{name}" template "{template}" strategy file_copy'
        )
    finally:
        await connection.close()
    return with_database(server_url, name)


async def drop_database(server_url: str, database_url: str) -> None:
    """Ends the sessions that are still on it."""
    name = database_of(database_url)
    connection = await asyncpg.connect(server_url, timeout=_CONNECT_SECONDS)
    try:
        await connection.execute(f'drop database if exists "{name}" with (force)')
    finally:
        await connection.close()


def with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def database_of(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def server_version(url: str) -> str:
    """Raises OSError, TimeoutError or asyncpg's errors when it does not answer.

    In a thread of its own, because the caller may or may not be inside an event loop.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-version") as thread:
        return thread.submit(asyncio.run, _show_version(url)).result()


async def _show_version(url: str) -> str:
    connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    try:
        version = str(await connection.fetchval("show server_version"))
    finally:
        await connection.close()
    return version.split(maxsplit=1)[0]
