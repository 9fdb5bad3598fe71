"""A private RabbitMQ node on loopback ports: broker, distribution and epmd alike.

The Erlang VM is our direct child (no wrapper script between), and epmd runs in the foreground as
another, so that ending them ends everything.
"""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.local.handshake import broker_version
from deploy.local.log_files import last_line
from deploy.local.node_state import NodeState, load_state, write_private
from deploy.local.owned import OwnedProcess, make_sure_it_ends, spawn, wait_until
from deploy.local.ports import is_free
from deploy.local.problems import LocalStackError
from deploy.local.profiles import Profile

_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
# Erlang loses a TERM that comes in the first moments of its start; nothing is in hand then.
_STOP_UNREADY_SECONDS = 3.0


class RabbitmqBinaries(Protocol):
    """Where the broker's programs are and how one of them is run on a node's folder."""

    @property
    def version(self) -> str: ...
    @property
    def origin(self) -> str: ...
    def inside(self, folder: Path) -> Path:
        """The node's folder as the program sees it."""

    def command(self, program: str, folder: Path) -> list[str]:
        """argv of `rabbitmq-server`, `rabbitmqctl` or `epmd`."""

    def environment(self) -> dict[str, str]:
        """What the programs need to find each other."""


@dataclass(slots=True)
class RabbitmqNode:
    """One broker with its data in `folder`; the same data after every kind of end."""

    folder: Path
    binaries: RabbitmqBinaries
    profile: Profile
    _state: NodeState | None = None
    _process: OwnedProcess | None = None
    _epmd: OwnedProcess | None = None
    _last_watch: OwnedProcess | None = None

    @property
    def state(self) -> NodeState:
        """Ports: AMQP, Erlang distribution, epmd."""
        if self._state is None:
            self._state = load_state(self.folder, port_count=3)
        return self._state

    @property
    def url(self) -> str:
        return f"amqp://{self.state.user}:{self.state.password}@127.0.0.1:{self.state.ports[0]}/"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Returns when the process exists; `wait_ready` when it answers."""
        self._write_configuration()
        _, _, epmd_port = self.state.ports
        self._epmd = self._spawn("epmd", "-port", str(epmd_port), death_signal="KILL")
        if not wait_until(lambda: not is_free(epmd_port), seconds=10):
            raise LocalStackError(f"epmd did not start: {last_line(self._log)}")
        self._ready.unlink(missing_ok=True)
        self._process = self._spawn("rabbitmq-server", death_signal="TERM")
        self._last_watch = make_sure_it_ends(
            self._process.pid, ready=self._ready, log=self._log, cwd=self.folder
        )

    def wait_ready(self) -> None:
        process = self._running()
        wait_until(lambda: self._answers() or process.poll() is not None, seconds=_START_SECONDS)
        if not self._answers():
            self.stop()
            raise LocalStackError(f"RabbitMQ did not start: {last_line(self._log)}")
        self._ready.touch()

    def stop(self) -> None:
        """A clean shutdown; takes about a second."""
        grace = _STOP_SECONDS if self._ready.exists() else _STOP_UNREADY_SECONDS
        for process in (self._process, self._epmd):
            if process is not None:
                process.stop(signal.SIGTERM, grace)
        if self._last_watch is not None:
            self._last_watch.kill()
        self._process = self._epmd = self._last_watch = None

    def kill(self) -> None:
        """kill -9 of the Erlang VM."""
        self._running().kill()
        self.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    def settle(self) -> None:
        """Writes the table of queues to disk now.

        The broker confirms a declaration before that, by some seconds: a queue declared just
        before kill -9 is gone afterwards, with its messages.
        """
        argv, environment = self.control("-q", "eval", "mnesia:dump_log().")
        subprocess.run(argv, env=environment, cwd=self.folder, capture_output=True, check=True)

    def control(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """argv and environment of `rabbitmqctl` for this node."""
        command = self.binaries.command("rabbitmqctl", self.folder)
        return [*command, *arguments], self._environment()

    @property
    def _log(self) -> Path:
        return self.folder / "rabbitmq.log"

    @property
    def _ready(self) -> Path:
        return self.folder / "ready"

    def _running(self) -> OwnedProcess:
        if self._process is None:
            raise RuntimeError("this RabbitMQ has not been started")
        return self._process

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            return False
        return broker_version("127.0.0.1", self.state.ports[0]) is not None

    def _spawn(self, program: str, *arguments: str, death_signal: str) -> OwnedProcess:
        return spawn(
            [*self.binaries.command(program, self.folder), *arguments],
            log=self._log,
            cwd=self.folder,
            env=self._environment(),
            death_signal=death_signal,
        )

    def _write_configuration(self) -> None:
        state = self.state
        for name in ("mnesia", "log"):
            (self.folder / name).mkdir(exist_ok=True, mode=0o700)
        cookie = self.folder / ".erlang.cookie"
        if not cookie.exists():
            write_private(cookie, os.urandom(20).hex())
            cookie.chmod(0o400)
        (self.folder / "enabled_plugins").write_text("[].\n")
        lines = (
            f"listeners.tcp.1 = 127.0.0.1:{state.ports[0]}",
            f"default_user = {state.user}",
            f"default_pass = {state.password}",
            "disk_free_limit.absolute = 64MB",
            f"vm_memory_high_watermark.absolute = {self.profile.rabbitmq_memory}",
            "log.console = false",
            "log.file.level = warning",
        )
        write_private(self.folder / "rabbitmq.conf", "\n".join(lines) + "\n")

    def _environment(self) -> dict[str, str]:
        _, distribution_port, epmd_port = self.state.ports
        home = self.binaries.inside(self.folder)
        loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            **self.binaries.environment(),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            # Makes the start script exec the VM; nothing of systemd is used without its socket.
            "RUNNING_UNDER_SYSTEMD": "true",
            # The machine's own /etc/rabbitmq must not leak in.
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODENAME": "amcflow@localhost",
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": loopback,
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
