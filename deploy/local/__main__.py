"""`python -m deploy.local up|down|demo|migrate|psql|prepare|clean`: what the Makefile calls.

What the stack consists of is in `deploy.local.stack` and `deploy.local.demo`, imported when
asked for: `down` and `clean` must work when those do not.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from importlib import import_module

from deploy.local import lifecycle
from deploy.local.backends import FOR_TESTS, choose_postgres, choose_rabbitmq
from deploy.local.problems import LocalStackError, NamespacesRefusedError
from deploy.local.profiles import FAST
from deploy.local.psql import open_psql
from deploy.local.rabbitmq4 import rabbitmq4
from deploy.local.scratch import scratch_folder
from deploy.local.stack_file import read_stack_file
from deploy.local.stop_signals import StopRequested, stop_signals

_INTERRUPTED = 130


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.local")
    parser.add_argument("command", choices=sorted(_COMMANDS))
    chosen = parser.parse_args()
    try:
        return _COMMANDS[chosen.command]()
    except LocalStackError as error:
        print(f"{chosen.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _up() -> int:
    if os.environ.get("DETACH"):
        return lifecycle.up_detached()
    replicas = _replicas()
    return lifecycle.up(lambda: import_module("deploy.local.stack").run(replicas=replicas))


def _demo() -> int:
    with stop_signals():
        try:
            return int(import_module("deploy.local.demo").main())
        except StopRequested:
            return _INTERRUPTED


def _migrate() -> int:
    return int(import_module("deploy.local.stack").migrate(read_stack_file().database_url))


def _psql() -> int:
    return open_psql(read_stack_file().database_url)


def _prepare() -> int:
    """Downloads what the tests would otherwise download inside their time limit."""
    with scratch_folder() as folder:
        for choose in (choose_postgres, choose_rabbitmq):
            choose(FOR_TESTS).open(folder, FAST)
    with contextlib.suppress(NamespacesRefusedError):
        rabbitmq4()
    return 0


def _replicas() -> int:
    told = os.environ.get("REPLICAS") or "1"
    if not told.isdigit() or int(told) < 1:
        raise LocalStackError(f"REPLICAS={told} is not a number of workers")
    return int(told)


_COMMANDS: dict[str, Callable[[], int]] = {
    "up": _up,
    "down": lifecycle.down,
    "demo": _demo,
    "migrate": _migrate,
    "psql": _psql,
    "prepare": _prepare,
    "clean": lifecycle.clean,
}

if __name__ == "__main__":
    sys.exit(main())
