"""Nothing outlives the process that started it, not even after kill -9."""

import subprocess
import sys
from pathlib import Path

from deploy.local.owned import wait_until
from deploy.local.paths import PROJECT
from deploy.local.processes import is_alive, servers_in
from deploy.local.scratch import scratch_folder, sweep

PARENT = """
import signal
from deploy.local.backends import FOR_TESTS, backends
from deploy.local.profiles import FAST
from deploy.local.scratch import scratch_folder

with scratch_folder() as folder, backends(folder=folder, profile=FAST, names=FOR_TESTS):
    print(folder, flush=True)
    signal.pause()
"""
STARTING = """
import signal
from deploy.local.backends import FOR_TESTS, choose_rabbitmq
from deploy.local.profiles import FAST
from deploy.local.scratch import scratch_folder

with scratch_folder() as folder:
    node = choose_rabbitmq(FOR_TESTS, {"AMCFLOW_RABBITMQ": "system"}).open(folder, FAST)
    node.launch()
    print(folder, flush=True)
    signal.pause()
"""


def test_servers_end_with_a_killed_parent_and_the_next_start_sweeps_its_folder() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        folder = Path(parent.stdout.readline().strip())
        servers = servers_in(folder)
        parent.kill()

    assert len(servers) >= 3  # Postgres with its helpers, the broker, epmd
    assert wait_until(lambda: not any(map(is_alive, servers)), seconds=20)
    assert wait_until(lambda: not servers_in(folder), seconds=20)
    sweep(folder.parent)  # another start on this machine may be doing the same just now
    assert wait_until(lambda: not folder.exists(), seconds=20)


def test_a_broker_still_starting_ends_with_its_parent_too() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTING], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        folder = Path(parent.stdout.readline().strip())
        parent.kill()

    assert wait_until(lambda: not servers_in(folder), seconds=20)


def test_a_living_owner_keeps_its_folder() -> None:
    with scratch_folder() as mine:
        assert mine not in sweep(mine.parent)
        assert mine.exists()
    assert not mine.exists()
