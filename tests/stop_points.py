"""The other end of `shared.observability.stop_points`: arms places and sees who was struck."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from shared.observability.stop_points import ARMED, REACHED, STRUCK, StopPoint

Action = Literal["kill", "stop", "term"]


class Strike(NamedTuple):
    """One process, struck in one place."""

    point: StopPoint
    pid: int


@dataclass(frozen=True, slots=True)
class StopPoints:
    """One folder, which the processes under test are given as AMCFLOW_STOP_POINTS_FOLDER."""

    folder: Path

    def prepare(self) -> None:
        """Make the folder; before the first process is started."""
        for name in (ARMED, STRUCK, REACHED):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def arm(self, point: StopPoint, action: Action = "kill", *, service: str = "") -> None:
        """The next process to come there, of this service or of any, is struck once."""
        armed = self._armed(point, service)
        written = self.folder / f"{armed.name}.new"
        written.write_text(action)
        written.rename(armed)

    def disarm(self, point: StopPoint, *, service: str = "") -> bool:
        """Whether it was still armed: nobody came there."""
        try:
            self._armed(point, service).unlink()
        except FileNotFoundError:
            return False
        return True

    def disarm_all(self) -> list[str]:
        """The names of those nobody came to, `<point>` or `<point>@<service>`."""
        return [
            point.value if not service else f"{point}@{service}"
            for point, service in self._waiting()
            if self.disarm(point, service=service)
        ]

    def struck(self) -> list[Strike]:
        """Who was struck so far, and where."""
        names = [path.name.rpartition(".") for path in (self.folder / STRUCK).iterdir()]
        return [Strike(StopPoint(point), int(pid)) for point, _, pid in sorted(names)]

    def when(self, strike: Strike) -> float:
        """Seconds since the epoch: the name was changed right before the signal."""
        return (self.folder / STRUCK / f"{strike.point}.{strike.pid}").stat().st_ctime

    def reached(self) -> dict[StopPoint, set[str]]:
        """The services that came by each place, struck or not."""
        places: dict[StopPoint, set[str]] = {}
        for path in (self.folder / REACHED).iterdir():
            point, _, service = path.name.partition("@")
            places.setdefault(StopPoint(point), set()).add(service)
        return places

    def forget(self, strike: Strike) -> None:
        """So that `struck` shows the next one only."""
        (self.folder / STRUCK / f"{strike.point}.{strike.pid}").unlink(missing_ok=True)

    def _armed(self, point: StopPoint, service: str) -> Path:
        return self.folder / ARMED / (f"{point}@{service}" if service else point.value)

    def _waiting(self) -> list[tuple[StopPoint, str]]:
        names = [path.name.partition("@") for path in (self.folder / ARMED).iterdir()]
        return [(StopPoint(point), service) for point, _, service in sorted(names)]
