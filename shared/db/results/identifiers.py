"""Names that Postgres takes as they are: quoting, cutting, keeping apart.

The names of columns and views come from headers and from people, so every statement that is put
together from them goes through `quote_ident`; values never do, they are parameters.
"""

import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

_MAX_BYTES: Final = 63
_SYSTEM: Final = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})
RESERVED_COLUMNS: Final = _SYSTEM | {"e", "n"}
"""`e` and `n` are ours: the execution's number and the row's place in its file."""


def quote_ident(name: str) -> str:
    """An identifier in double quotes, whatever it contains."""
    return '"' + name.replace('"', '""') + '"'


def in_results(relation: str) -> str:
    """A relation of the schema `results`, quoted."""
    return f"results.{quote_ident(relation)}"


class ColumnKey(NamedTuple):
    """What makes a column the same one in every file of a workflow."""

    source_name: str
    occurrence: int
    """1, unless the header says the same name again."""


def keys_of(header: Iterable[str]) -> tuple[ColumnKey, ...]:
    """The keys of a header, in its order."""
    seen: dict[str, int] = {}
    keys = []
    for source_name in header:
        seen[source_name] = seen.get(source_name, 0) + 1
        keys.append(ColumnKey(source_name, seen[source_name]))
    return tuple(keys)


def column_names(header: Sequence[str]) -> tuple[str, ...]:
    """A distinct name for each column of a header; the first of a kind keeps its own."""
    used: set[str] = set()
    names = []
    for position, source_name in enumerate(header, start=1):
        base = clean_name(source_name) or f"column_{position}"
        if base.casefold() in RESERVED_COLUMNS:
            base += "_"
        name = distinct_name(base, used)
        used.add(name.casefold())
        names.append(name)
    return tuple(names)


def clean_name(text: str) -> str:
    """Without control characters and outer blanks, composed, cut where Postgres would cut."""
    printable = "".join(char for char in text if unicodedata.category(char) != "Cc")
    return _cut(unicodedata.normalize("NFC", printable).strip(), _MAX_BYTES)


def distinct_name(base: str, used: Collection[str]) -> str:
    """`base`, or with a number if its casefolded form is used."""
    name, number = base, 1
    while name.casefold() in used:
        number += 1
        suffix = f"_{number}"
        name = _cut(base, _MAX_BYTES - len(suffix)) + suffix
    return name


def _cut(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore")
