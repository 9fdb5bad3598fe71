"""Decides which RabbitMQ a private node runs, before anything is downloaded or installed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.local import apt
from deploy.local.paths import CACHE, LOGS
from deploy.local.problems import LocalStackError
from deploy.local.rabbitmq import RabbitmqBinaries
from deploy.local.rabbitmq4 import rabbitmq4
from deploy.local.rabbitmq_binaries import DebianRabbitmq, find_rabbitmq_under, find_system_rabbitmq

_PACKAGE = "rabbitmq-server"
_UNPACKED = "unpacked packages"


@dataclass(frozen=True, slots=True)
class RabbitmqSource:
    """`get` may take a minute and need the network."""

    described: str
    get: Callable[[], RabbitmqBinaries]


def rabbitmq_source(wanted: str, variable: str) -> RabbitmqSource:
    """`wanted` (AMCFLOW_RABBITMQ) is empty for the best one here, or one of the names below."""
    if wanted == "4":
        return RabbitmqSource("4 (private node, Debian 13 packages)", rabbitmq4)
    if wanted == "unpacked":
        return _unpacked_source()
    if wanted not in {"", "system"}:
        raise LocalStackError("AMCFLOW_RABBITMQ may be system, unpacked or 4.")
    if found := find_system_rabbitmq():
        return _source_of(found)
    if found := find_rabbitmq_under(CACHE / "rabbitmq", _UNPACKED):
        return _source_of(found)
    if not apt.apt_is_here():
        raise LocalStackError(
            f"RabbitMQ is missing and there is no apt-get to get it: install rabbitmq-server 3.10"
            f" or newer, start Docker, or set {variable}."
        )
    if os.geteuid() == 0:
        return RabbitmqSource("from apt-get, installed now (private node)", _install)
    return _unpacked_source()


def _source_of(found: DebianRabbitmq) -> RabbitmqSource:
    return RabbitmqSource(f"{found.version} (private node, {found.origin})", lambda: found)


def _unpacked_source() -> RabbitmqSource:
    if found := find_rabbitmq_under(CACHE / "rabbitmq", _UNPACKED):
        return _source_of(found)
    return RabbitmqSource("from packages unpacked now into .amcflow/cache (private node)", _unpack)


def _install() -> DebianRabbitmq:
    print("installing rabbitmq-server with apt-get (once)", file=sys.stderr, flush=True)
    try:
        apt.install([_PACKAGE], LOGS / "apt.log")
    except LocalStackError:
        # A locked or broken dpkg is no reason to give up: unpacking needs neither.
        return _unpack()
    if Path("/run/systemd/system").exists() and shutil.which("systemctl"):
        command = ["systemctl", "disable", "rabbitmq-server.service", "epmd.socket"]
        subprocess.run(command, capture_output=True, check=False)
    return find_system_rabbitmq() or _unpack()


def _unpack() -> DebianRabbitmq:
    LOGS.mkdir(parents=True, exist_ok=True)
    print("unpacking rabbitmq-server into .amcflow/cache (once)", file=sys.stderr, flush=True)
    target = CACHE / "rabbitmq"
    plan = apt.AptPlan([_PACKAGE], apt.status_without(r"(erlang-|rabbitmq-server)"))
    apt.unpack(plan, target, finish=_make_movable, log=LOGS / "apt.log")
    found = find_rabbitmq_under(target, _UNPACKED)
    if found is None:
        raise LocalStackError(f"the packages of RabbitMQ are incomplete; {LOGS / 'apt.log'} tells")
    return found


def _make_movable(tree: Path) -> None:
    """Debian's start script of Erlang names its installed place whatever ERL_ROOTDIR says."""
    for script in tree.glob("usr/lib/erlang/**/bin/erl"):
        text = script.read_text()
        script.write_text(text.replace("ROOTDIR=/usr/lib/erlang", 'ROOTDIR="$ERL_ROOTDIR"'))
