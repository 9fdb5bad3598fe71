"""Faults of Postgres, of the way to it, and of the disks that results go to."""

import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import asyncpg

from deploy.local.owned import wait_until
from tests.chaos.faults.fault import Fault, Recovery, Scene, excuse
from tests.chaos.town import Town

_WITHOUT_ROOM = Path("/proc")
"""The kernel's own file system: 0 bytes free, for every user."""


class DatabaseKilled(Fault):
    """The server ends by kill -9 of all its processes, and recovers from its log."""

    sentence = "Postgres killed and started again"
    recovers: ClassVar[Recovery | None] = "database restart"
    measures_itself: ClassVar[bool] = True

    def begin(self, scene: Scene) -> None:
        self._since = time.time()
        scene.town.postgres.kill()
        self.strikes += 1

    def end(self, scene: Scene) -> None:
        scene.town.postgres.start()
        self.back_at = time.time()
        self.recoveries.append(_seconds_until_all_are_ready(scene))
        excuse(scene, self._since, "no database")


class DatabaseRestarted(Fault):
    """An immediate shutdown: every backend drops what it has."""

    sentence = "Postgres restarted with an immediate shutdown"
    recovers: ClassVar[Recovery | None] = "database restart"
    measures_itself: ClassVar[bool] = True

    def begin(self, scene: Scene) -> None:
        self._since = time.time()
        node = scene.town.postgres
        process = node._process
        assert process is not None
        process.stop(signal.SIGQUIT, 10)
        self.strikes += 1

    def end(self, scene: Scene) -> None:
        scene.town.postgres.start()
        self.back_at = time.time()
        self.recoveries.append(_seconds_until_all_are_ready(scene))
        excuse(scene, self._since, "no database")


def _seconds_until_all_are_ready(scene: Scene) -> float:
    since = time.monotonic()
    scene.town.all_ready(within=30)
    return time.monotonic() - since


class DatabaseCut(Fault):
    """All connections to Postgres are reset, several times."""

    sentence = "database connections cut"

    def begin(self, scene: Scene) -> None:
        proxy = scene.town.proxy("database")
        for _ in range(self.rng.randint(1, 4)):
            before = proxy.cut
            proxy.cut_all()
            self.strikes += proxy.cut - before
            threading.Event().wait(self.rng.uniform(0.1, 1.5))


class DatabaseCutInTheMiddle(Fault):
    """Connections are reset after some more bytes: the answer to a commit may be lost."""

    sentence = "database connections cut in the middle of an answer"

    def begin(self, scene: Scene) -> None:
        proxy = scene.town.proxy("database")
        self._before = proxy.cut
        for _ in range(6):
            proxy.cut_after(self.rng.randint(200, 30_000))
            threading.Event().wait(0.5)
        proxy.cut_after(None)

    def end(self, scene: Scene) -> None:
        self.strikes = scene.town.proxy("database").cut - self._before


class DatabaseStalled(Fault):
    """No byte passes to or from Postgres; then all arrive late, or the connections are gone."""

    sentence = "database connections stalled"

    def begin(self, scene: Scene) -> None:
        self._since = time.time()
        self._before = scene.town.proxy("database").held
        scene.town.proxy("database").stall()

    def end(self, scene: Scene) -> None:
        self.strikes = scene.town.proxy("database").held - self._before
        scene.town.proxy("database").flow(release=self.rng.random() < 0.5)
        scene.town.all_ready(within=30)
        excuse(scene, self._since, "no database")


class BackendsTerminated(Fault):
    """An administrator ends all sessions of the services."""

    sentence = "database sessions terminated by an administrator"

    def begin(self, scene: Scene) -> None:
        for _ in range(self.rng.randint(1, 3)):
            with suppress(OSError, asyncpg.PostgresError):
                rows = scene.town.sql(
                    "select pg_terminate_backend(pid) as ended from pg_stat_activity"
                    " where application_name like 'amcflow %'"
                )
                self.strikes += len(rows)
            threading.Event().wait(self.rng.uniform(0.2, 1.5))


class DiskFullAtLoad(Fault):
    """The disk under the results is full: Postgres' own error, raised where rows are counted."""

    sentence = "disk full on the result load (Postgres error 53100)"

    def begin(self, scene: Scene) -> None:
        self._is_set = False
        with suppress(OSError, asyncpg.PostgresError):
            _execute(scene.town, *_FULL)
            self._is_set = True
        wait_until(lambda: self._struck(scene.town) > 0, seconds=10)

    def end(self, scene: Scene) -> None:
        self.strikes = self._struck(scene.town) if self._is_set else 0

        def healed() -> bool:
            with suppress(OSError, asyncpg.PostgresError):
                _execute(scene.town, *_ROOM)
                return True
            return False

        assert wait_until(healed, seconds=60), "the trigger of the full disk is still there"

    def _struck(self, town: Town) -> int:
        """A sequence keeps what a transaction that was rolled back has done."""
        with suppress(OSError, asyncpg.PostgresError):
            (row,) = town.sql(
                "select case when is_called then last_value else 0 end as n from chaos_disk_full"
            )
            return int(row["n"])
        return 0


_FULL = (
    "create sequence if not exists chaos_disk_full",
    """
    create or replace function chaos_disk_full() returns trigger language plpgsql as $$
    begin
      perform nextval('chaos_disk_full');
      raise exception 'could not extend file: No space left on device' using errcode = '53100';
    end $$
    """,
    """
    create or replace trigger chaos_disk_full before insert on result_parts
    for each row execute function chaos_disk_full()
    """,
)
_ROOM = (
    "drop trigger if exists chaos_disk_full on result_parts",
    "drop function if exists chaos_disk_full",
    "drop sequence if exists chaos_disk_full",
)


def _execute(town: Town, *statements: str) -> None:
    for statement in statements:
        town.sql(statement)


class SpoolFull(Fault):
    """The disk of the downloaders has no room: their folder leads to a file system without any."""

    sentence = "disk full at the downloaders"

    def begin(self, scene: Scene) -> None:
        self._before = self._told(scene.town)
        scene.town.move_spool(_WITHOUT_ROOM)
        wait_until(lambda: self._told(scene.town) > self._before, seconds=10)

    def end(self, scene: Scene) -> None:
        scene.town.move_spool(None)
        self.strikes = self._told(scene.town) - self._before

    def _told(self, town: Town) -> int:
        return (town.logs / "downloader.log").read_text(errors="replace").count('"spool_full"')
