"""RabbitMQ 4 on a machine whose packages are older: Debian 13's, unpacked, in a user namespace.

Nothing is installed and no rights are needed; the kernel has to allow user namespaces.
    python -m deploy.local.rabbitmq4        downloads and unpacks them (about 63 MB, once)
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.local import apt
from deploy.local.paths import CACHE, LOGS
from deploy.local.problems import LocalStackError, NamespacesRefusedError

_SUITE = "trixie"
# The broker's start script needs these; as essential packages they are nobody's dependency.
_PACKAGES = ("rabbitmq-server", "dash", "coreutils", "sed", "grep", "mawk")
_ENTER = """
set -e
tree=$1 folder=$2; shift 2
mount --rbind /proc "$tree/proc"
mount --rbind /dev "$tree/dev"
mount --bind "$folder" "$tree/node"
mount -t tmpfs tmpfs "$tree/tmp"
exec chroot "$tree" "$@"
"""
_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "--")


@dataclass(frozen=True, slots=True)
class Rabbitmq4:
    """The unpacked packages as the root folder of the broker; its node's folder is /node there."""

    tree: Path
    origin: str = "Debian 13 packages in a user namespace"

    @property
    def version(self) -> str:
        homes = sorted((self.tree / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
        found = re.search(r"\d+(\.\d+)*", homes[-1].name) if homes else None
        return found.group() if found else "4"

    def inside(self, folder: Path) -> Path:  # noqa: ARG002 - every node sees itself there
        return Path("/node")

    def command(self, program: str, folder: Path) -> list[str]:
        place = "/usr/bin" if program == "epmd" else "/usr/lib/rabbitmq/bin"
        enter = ["sh", "-c", _ENTER, "enter", str(self.tree), str(folder)]
        return [*_NAMESPACE, *enter, f"{place}/{program}"]

    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/lib/erlang/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


def rabbitmq4(tree: Path = CACHE / "rabbitmq-4") -> Rabbitmq4:
    """Downloads at the first call; LocalStackError where namespaces or apt are missing."""
    if subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode != 0:
        raise NamespacesRefusedError("RabbitMQ 4 needs user namespaces, which this machine refuses")
    if not tree.exists():
        if not apt.apt_is_here():
            raise LocalStackError("RabbitMQ 4 is unpacked with apt-get, which is missing here")
        print("unpacking RabbitMQ 4 into .amcflow/cache (once)", file=sys.stderr, flush=True)
        LOGS.mkdir(parents=True, exist_ok=True)
        plan = apt.AptPlan(_PACKAGES, status="", sources=apt.sources_for(_SUITE))
        apt.unpack(plan, tree, finish=_make_root_folder, log=LOGS / "apt.log")
    return Rabbitmq4(tree)


def _make_root_folder(tree: Path) -> None:
    """What the packages' install scripts would have made."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if not (tree / name).exists():
            (tree / name).symlink_to(f"usr/{name}")
    for name, program in (("sh", "dash"), ("awk", "mawk")):
        if not (tree / "usr/bin" / name).exists():
            (tree / "usr/bin" / name).symlink_to(program)
    for name in ("proc", "dev", "tmp", "node", "root", "etc"):
        (tree / name).mkdir(exist_ok=True)
    (tree / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (tree / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\n")


if __name__ == "__main__":
    try:
        print(f"RabbitMQ {rabbitmq4().version} is in {CACHE}")
    except LocalStackError as error:
        sys.exit(str(error))
