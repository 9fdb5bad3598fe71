"""The last words of a process, for the sentence that says it failed."""

from pathlib import Path


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    told = [line.strip() for line in lines if line.strip() and not line.startswith("supervisor: ")]
    return told[-1] if told else "it wrote nothing"
