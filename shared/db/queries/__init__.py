"""Named SQL statements, one file for each repository.

A statement starts at a line `-- name: some_name` and runs to the next one. A test prepares every
one of them against the migrated schema.
"""

import re
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def load(file: str) -> dict[str, str]:
    """The statements of `<file>.sql` by name; KeyError at the caller for an unknown name."""
    text = resources.files(__package__).joinpath(f"{file}.sql").read_text("utf-8")
    parts = _NAME.split(text)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def files() -> list[str]:
    """The names of all query files."""
    return sorted(
        entry.name.removesuffix(".sql")
        for entry in resources.files(__package__).iterdir()
        if entry.name.endswith(".sql")
    )
