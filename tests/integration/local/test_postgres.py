"""A private Postgres: its data survive every end, and it is nobody else's."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from deploy.local.backends import private_postgres
from deploy.local.identity import NOBODY, Identity, postgres_identity
from deploy.local.postgres import PostgresNode, find_postgres
from deploy.local.profiles import DURABLE, FAST
from deploy.local.reach import remove_elsewhere
from deploy.local.scratch import scratch_folder

IDENTITIES = [postgres_identity(), NOBODY] if os.geteuid() == 0 else [Identity()]


@pytest.fixture(params=IDENTITIES, ids=lambda identity: "-".join(identity.prefix[:2]) or "self")
def node(request: pytest.FixtureRequest) -> Iterator[PostgresNode]:
    binaries = find_postgres()
    assert binaries is not None
    with scratch_folder() as folder:
        node = private_postgres(folder / "pg", binaries, FAST, identity=request.param)
        node.start()
        yield node
        node.stop()


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    tmp_path.chmod(0o700)
    yield tmp_path
    remove_elsewhere(tmp_path)


async def _ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_what_was_committed_is_there_after_kill_9_and_restart(node: PostgresNode) -> None:
    url = node.url
    await _ask(url, "create table kept as select 42 as answer")

    node.kill()
    node.start()
    node.restart()

    assert node.url == url
    assert await _ask(url, "select answer from kept") == 42


async def test_it_listens_on_loopback_alone(node: PostgresNode) -> None:
    assert node.pid is not None
    listening = psutil.Process(node.pid).net_connections(kind="inet")

    assert {entry.laddr.ip for entry in listening} == {"127.0.0.1"}


async def test_a_wrong_password_is_refused(node: PostgresNode) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(node.url.replace(node.state.password, "guessed"))


def test_the_password_is_kept_from_other_users(node: PostgresNode) -> None:
    mode = (node.folder / "node.json").stat().st_mode

    assert stat.S_IMODE(mode) == 0o600


async def test_the_durable_profile_syncs_and_leaves_room_for_copy(closed_folder: Path) -> None:
    binaries = find_postgres()
    assert binaries is not None
    node = private_postgres(closed_folder / "pg", binaries, DURABLE)
    node.start()

    settings = [await _ask(node.url, f"show {name}") for name in ("fsync", "max_wal_size")]

    node.stop()
    assert settings == ["on", "4GB"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as another user")
async def test_a_closed_project_folder_is_no_obstacle_without_namespaces(
    closed_folder: Path,
) -> None:
    binaries = find_postgres()
    assert binaries is not None
    node = private_postgres(closed_folder / "pg", binaries, FAST, identity=NOBODY)
    node.start()

    answer = await _ask(node.url, "select 1")

    node.stop()
    assert answer == 1
    assert not node.folder.is_relative_to(closed_folder)
