"""Results are what AMC produced: value by value, in order, every part."""

import csv
import io
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from tests.chaos.books import Books, RemoteExecution
from tests.chaos.invariants.findings import Findings, Invariant

_NUMBERS = frozenset({"bigint", "numeric", "double precision"})
_MOMENTS = frozenset({"timestamp", "timestamp without time zone"})


def _stored_is_whole(books: Books, findings: Findings) -> None:
    stored = {each.execution: each for each in books.database.stored}
    for execution, made in _completed(books):
        ours = stored.get(execution)
        if ours is None:
            findings.expect(False, f"{execution} is completed and has no stored rows")
        else:
            _compare(findings, f"{execution} in Postgres", ours.types, ours.rows, made.rows)


def _nothing_half(books: Books, findings: Findings) -> None:
    visible = {each.execution for each in books.database.stored}
    visible.update(part.execution for part in books.database.parts)
    for execution, row in books.rows.items():
        findings.expect(
            row.state == "completed" or execution not in visible,
            f"{execution} is {row.state} and has rows or parts",
        )


def _parts_are_whole(books: Books, findings: Findings) -> None:
    for execution, made in _completed(books):
        kept = sorted(
            (part for part in books.database.parts if part.execution == execution),
            key=lambda part: part.part,
        )
        ours = [(part.sha256, part.size_bytes, part.row_count) for part in kept]
        theirs = [(part.sha256, part.size_bytes, part.rows) for part in made.parts]
        findings.expect(ours == theirs, f"{execution}: parts {ours}, AMC wrote {theirs}")


def _counts_agree(books: Books, findings: Findings) -> None:
    for execution, made in _completed(books):
        told = books.rows[execution].row_count
        findings.expect(
            told == len(made.rows), f"{execution} says {told} rows, AMC wrote {len(made.rows)}"
        )


def _api_is_whole(books: Books, findings: Findings) -> None:
    made = dict(_completed(books))
    for read in books.client.results:
        if read.execution not in made:
            findings.expect(False, f"{read.execution} gave rows and is not completed at AMC")
            continue
        types, rows = [kind for _, kind in read.columns], made[read.execution].rows
        if read.pages is not None:
            _compare(findings, f"{read.execution} in pages", types, read.pages, rows)
        if read.csv is not None:
            text = io.StringIO(read.csv.decode(), newline="")
            _compare(findings, f"{read.execution} as CSV", types, list(csv.reader(text))[1:], rows)


def _compare(
    findings: Findings,
    where: str,
    types: Sequence[str],
    ours: Sequence[Sequence[object]],
    theirs: Sequence[Sequence[str]],
) -> None:
    findings.expect(len(ours) == len(theirs), f"{where}: {len(ours)} rows of {len(theirs)}")
    for number, (mine, made) in enumerate(zip(ours, theirs, strict=False), start=1):
        kinds = [*types, *["text"] * (len(mine) - len(types))]
        is_equal = len(mine) == len(made) and all(
            is_same(kind, value, text) for kind, value, text in zip(kinds, mine, made, strict=True)
        )
        findings.expect(is_equal, f"{where}: row {number} is {mine!r}, AMC wrote {made!r}")


def is_same(kind: str, ours: object, theirs: str) -> bool:
    """Whether a value says what the field in AMC's file says; an empty field is NULL."""
    if ours is None or ours == "" or theirs == "":
        return ours in (None, "") and theirs == ""
    text = str(ours)
    if text == theirs:
        return True
    if kind in _NUMBERS:
        return _is_same_number(text, theirs)
    if kind in _MOMENTS:
        return _moment(text) == _moment(theirs)
    if kind == "boolean":
        return text.lower()[:1] == theirs.lower()[:1]
    return False


def _is_same_number(ours: str, theirs: str) -> bool:
    try:
        return Decimal(ours) == Decimal(theirs)
    except InvalidOperation:
        return False


def _moment(text: str) -> str:
    plain = text.replace("T", " ").removesuffix("UTC").removesuffix("Z").strip()
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _completed(books: Books) -> list[tuple[str, RemoteExecution]]:
    """Completed executions with what AMC has of them; one that AMC lacks is reported elsewhere."""
    remote = books.remote
    return [
        (execution, remote[row.amc_execution_id])
        for execution, row in books.rows.items()
        if row.state == "completed" and row.amc_execution_id in remote
    ]


INVARIANTS = (
    Invariant(
        "stored_is_whole",
        "The rows in Postgres are the rows AMC wrote, value by value, in order.",
        _stored_is_whole,
    ),
    Invariant(
        "api_is_whole",
        "So are the rows that the API gives, in pages and as a file.",
        _api_is_whole,
    ),
    Invariant(
        "parts_are_whole",
        "Every part's checksum, size and rows are those of the file AMC wrote.",
        _parts_are_whole,
    ),
    Invariant("counts_agree", "The row count shown is the number of AMC's rows.", _counts_agree),
    Invariant(
        "nothing_half",
        "An execution that is not completed has no rows and no parts.",
        _nothing_half,
    ),
)
