"""Debian's RabbitMQ programs, installed by the system or unpacked somewhere else."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_PROGRAMS = "usr/lib/rabbitmq/bin"
# The server's script under /usr/sbin changes the user and the folders; this one does neither.
_SYSTEM = Path("/")


@dataclass(frozen=True, slots=True)
class DebianRabbitmq:
    """The programs of Debian's package, installed in / or unpacked under another root."""

    root: Path
    origin: str

    @property
    def version(self) -> str:
        homes = sorted((self.root / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
        found = re.search(r"\d+(\.\d+)*", homes[-1].name) if homes else None
        return found.group() if found else "of unknown version"

    def inside(self, folder: Path) -> Path:
        return folder

    def command(self, program: str, folder: Path) -> list[str]:  # noqa: ARG002 - a chroot needs it
        place = "usr/bin" if program == "epmd" else _PROGRAMS
        return [str(self.root / place / program)]

    def environment(self) -> dict[str, str]:
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
        if self.root == _SYSTEM:
            return {"PATH": path}
        erlang = self.root / "usr/lib/erlang"
        places = ("lib", "usr/lib")
        libraries = [path for place in places for path in self.root.glob(f"{place}/*-linux-*")]
        return {
            "PATH": f"{erlang}/bin:{self.root}/usr/bin:{path}",
            "ERL_ROOTDIR": str(erlang),
            "LD_LIBRARY_PATH": ":".join(str(path) for path in libraries),
        }


def find_system_rabbitmq() -> DebianRabbitmq | None:
    return find_rabbitmq_under(_SYSTEM, "system")


def find_rabbitmq_under(root: Path, origin: str) -> DebianRabbitmq | None:
    found = DebianRabbitmq(root, origin)
    complete = (root / _PROGRAMS / "rabbitmq-server").exists() and (root / "usr/bin/erl").exists()
    return found if complete else None
