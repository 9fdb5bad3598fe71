"""Comments in a query that tell the simulator what to do with its executions.

One per line, as `-- simulator: rows 2000` or `/* simulator: fail "disk full" */`:

    fail "text"         runs, then FAILED with this statusReason
    reject "text"       REJECTED after validation with this statusReason
    rows N              so many rows (0: header only)
    duration N          so many AMC seconds of RUNNING
    parts N             1 to 5 result files
    columns-change      every second run of the workflow has one column more
    odd-value           the last row has a word in its first numeric column
    empty-file          result files of zero bytes, without a header
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from services.simulator.sql.source import CompileError

_COMMENT = re.compile(
    r"(?:--|/\*)[ \t]*simulator:[ \t]*([a-z-]+)[ \t]*(.*?)[ \t]*(?:\*/|$)", re.MULTILINE
)
_MAX_ROWS = 1_000_000_000
_MAX_DURATION = 10 * 86_400
_MAX_PARTS = 5


@dataclass(frozen=True, slots=True)
class Directives:
    """What the comments of one query ask for; None where they are silent."""

    fail: str | None = None
    reject: str | None = None
    rows: int | None = None
    duration: int | None = None
    parts: int | None = None
    columns_change: bool = False
    odd_value: bool = False
    empty_file: bool = False


def directives_of(sql: str) -> Directives:
    """CompileError for a word or a value that is not in the table above."""
    return _collected((match[1], match[2]) for match in _COMMENT.finditer(sql))


def _collected(pairs: Iterable[tuple[str, str]]) -> Directives:
    found = Directives()
    for word, value in pairs:
        match word:
            case "fail":
                found = replace(found, fail=value.strip('"') or "Execution failed.")
            case "reject":
                found = replace(found, reject=value.strip('"') or "Execution rejected.")
            case "rows":
                found = replace(found, rows=_number(word, value, 0, _MAX_ROWS))
            case "duration":
                found = replace(found, duration=_number(word, value, 0, _MAX_DURATION))
            case "parts":
                found = replace(found, parts=_number(word, value, 1, _MAX_PARTS))
            case _:
                found = _flagged(found, word)
    return found


def _flagged(found: Directives, word: str) -> Directives:
    match word:
        case "columns-change":
            return replace(found, columns_change=True)
        case "odd-value":
            return replace(found, odd_value=True)
        case "empty-file":
            return replace(found, empty_file=True)
        case _:
            raise CompileError(f"Unknown simulator directive '{word}'.")


def _number(word: str, value: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", value) or not low <= int(value) <= high:
        raise CompileError(f"Simulator directive '{word}' needs a number from {low} to {high}.")
    return int(value)
