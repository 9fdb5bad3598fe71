"""Debian packages by the machine's own apt sources: installed as root, or unpacked by anybody.

Unpacking uses an apt state of its own, so that it needs no rights and changes nothing.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.problems import LocalStackError

SOURCES = Path("/etc/apt")
_POLICY = Path("/usr/sbin/policy-rc.d")
_STATUS = Path("/var/lib/dpkg/status")


@dataclass(frozen=True, slots=True)
class AptPlan:
    """What to unpack; empty `sources` are the machine's own, `status` is what counts as there."""

    packages: Sequence[str]
    status: str
    sources: str = ""


def apt_is_here() -> bool:
    return shutil.which("apt-get") is not None and shutil.which("dpkg-deb") is not None


def install(packages: Sequence[str], log: Path) -> None:
    """As root; the packages' own services are neither started now nor at the next boot."""
    log.parent.mkdir(parents=True, exist_ok=True)
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    with _no_services_started():
        try:
            _run(command, log)
        except LocalStackError:
            # Usually the package lists are old or, in a fresh image, absent.
            _run(["apt-get", "update", "-q"], log)
            _run(command, log)


def unpack(plan: AptPlan, target: Path, *, finish: Callable[[Path], None], log: Path) -> None:
    """Makes `target` complete or not at all; processes that want the same wait for one another."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return
        work = target.with_suffix(".partial")
        shutil.rmtree(work, ignore_errors=True)
        tree = work / "root"
        tree.mkdir(parents=True)
        for package in _download(plan, work, log):
            _run(["dpkg-deb", "-x", str(package), str(tree)], log)
        finish(tree)
        tree.rename(target)
        shutil.rmtree(work, ignore_errors=True)


def status_without(pattern: str) -> str:
    """The list of installed packages as if those that match were not."""
    stanzas = _STATUS.read_text(errors="replace").split("\n\n")
    kept = [text for text in stanzas if not re.match(rf"Package: {pattern}", text)]
    return "\n\n".join(kept)


def sources_for(suite: str) -> str:
    """The machine's first Debian source, pointed at another suite."""
    for file in sorted((SOURCES / "sources.list.d").glob("*.sources")):
        for stanza in file.read_text().split("\n\n"):
            if re.search(r"^URIs:", stanza, re.MULTILINE):
                chosen = re.sub(r"^Suites:.*$", f"Suites: {suite}", stanza, flags=re.MULTILINE)
                return re.sub(r"^Components:.*$", "Components: main", chosen, flags=re.MULTILINE)
    lists = [SOURCES / "sources.list", *(SOURCES / "sources.list.d").glob("*.list")]
    for file in lists:
        text = file.read_text() if file.exists() else ""
        if found := re.search(r"^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)", text, re.MULTILINE):
            options, uri = found.groups()
            signed = re.search(r"signed-by=(\S+)", options or "")
            by = f"Signed-By: {signed.group(1)}\n" if signed else ""
            return f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\n{by}"
    raise LocalStackError(f"no Debian package source was found under {SOURCES}")


def _download(plan: AptPlan, work: Path, log: Path) -> list[Path]:
    for folder in ("lists/partial", "cache/archives/partial", "etc"):
        (work / folder).mkdir(parents=True)
    (work / "status").write_text(plan.status)
    lines = [
        f'Dir::State "{work}";',
        f'Dir::State::lists "{work}/lists";',
        f'Dir::State::status "{work}/status";',
        f'Dir::Cache "{work}/cache";',
        'APT::Sandbox::User "";',
        'Debug::NoLocking "1";',
    ]
    if plan.sources:
        (work / "etc/chosen.sources").write_text(plan.sources)
        lines += ['Dir::Etc::sourcelist "/dev/null";', f'Dir::Etc::sourceparts "{work}/etc";']
    configuration = work / "apt.conf"
    configuration.write_text("\n".join(lines) + "\n")
    settings = {"APT_CONFIG": str(configuration)}
    _run(["apt-get", "update", "-q"], log, settings)
    options = ["-y", "-q", "--download-only", "--no-install-recommends"]
    _run(["apt-get", "install", *options, *plan.packages], log, settings)
    return sorted((work / "cache/archives").glob("*.deb"))


def _run(command: list[str], log: Path, settings: dict[str, str] | None = None) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", **(settings or {})}
    with log.open("ab") as output:
        running = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        code = running.wait()
    except BaseException:
        # Killed in the middle, dpkg would need repair; interrupted, apt ends after this step.
        running.send_signal(signal.SIGINT)
        running.wait()
        raise
    if code != 0:
        raise LocalStackError(f"`{' '.join(command[:2])}` failed; {log} says why")


@contextlib.contextmanager
def _no_services_started() -> Iterator[None]:
    """Debian asks this file before it starts a service; 101 means no."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
