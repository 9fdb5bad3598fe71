"""Looks for secrets wherever they could lie: a dump of the database, logs, the broker's folder.

A search also looks for a word that must be there; without it the search would prove nothing.
"""

import re
import subprocess
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from deploy.local.stack import Secrets
from tests.chaos.books import Searched

_CHUNK = 8 * 1024 * 1024
_OVERLAP = 4096
_SURROUNDINGS = 60
_PUBLIC = "sealing_public_key"
_TOKENS = ("Atza|", "Atzr|sim-")
"""How every token of the simulator begins."""


def canaries_of(secrets: Secrets) -> re.Pattern[bytes]:
    """Tokens by how they begin, keys and secrets as they are; also as Postgres shows bytes."""
    kept = [text for name, text in asdict(secrets).items() if name != _PUBLIC]
    texts = [*_TOKENS, *kept]
    shown = [*texts, *(text.encode().hex() for text in texts)]
    return re.compile(b"|".join(re.escape(text.encode()) for text in shown))


def search_dump(pg_dump: Path, url: str, canaries: re.Pattern[bytes], *, control: str) -> Searched:
    """Everything that `pg_dump` writes of a database, rows and definitions."""
    command = [str(pg_dump), "--no-password", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        chunks = iter(lambda out=running.stdout: out.read(_CHUNK), b"")
        found = _search("pg_dump", chunks, canaries, control)
    assert running.returncode == 0, f"{pg_dump} failed"
    return found


def search_files(
    place: str, files: Iterable[Path], canaries: re.Pattern[bytes], *, control: str
) -> Searched:
    """Files as they are on disk; one that goes away meanwhile is passed over."""
    return _together(
        place,
        [_search(place, _chunks(file), canaries, control) for file in files if file.is_file()],
    )


def search_texts(
    place: str, texts: Collection[str], canaries: re.Pattern[bytes], *, control: str
) -> Searched:
    """Metrics, messages, answers."""
    return _search(place, iter([text.encode() for text in texts]), canaries, control)


def _search(
    place: str, chunks: Iterator[bytes], canaries: re.Pattern[bytes], control: str
) -> Searched:
    found, is_control_found, before = list[str](), False, b""
    for chunk in chunks:
        data = before + chunk
        found += [_surroundings(data, match) for match in canaries.finditer(data)]
        is_control_found = is_control_found or control.encode() in data
        before = data[-_OVERLAP:]
    return Searched(place, tuple(dict.fromkeys(found)), is_control_found)


def _together(place: str, found: Sequence[Searched]) -> Searched:
    return Searched(
        place,
        tuple(text for each in found for text in each.found),
        any(each.is_control_found for each in found),
    )


def _surroundings(data: bytes, match: re.Match[bytes]) -> str:
    """What stands before a secret and how it begins: a report must not tell it again."""
    begin = max(match.start() - _SURROUNDINGS, 0)
    return data[begin : match.start() + 4].decode("latin-1") + "..."


def _chunks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                yield chunk
    except FileNotFoundError:
        return
