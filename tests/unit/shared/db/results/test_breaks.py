"""What Postgres says, in any language."""

import asyncpg
import pytest

from shared.db.results.breaks import broken_column


@pytest.mark.parametrize(
    ("context", "found"),
    [
        ('COPY w1_v1, line 3, column clicks: "2.5"', ("clicks", "2.5")),
        ('COPY w1_v1, Zeile 3, Spalte a b: "x "y" z"', ("a b", 'x "y" z')),
        ('COPY w1_v1, line 3, column clicks: " a b: "1""', ("clicks", ' a b: "1"')),
        ("COPY w1_v1, line 3", (None, "")),
        (None, (None, "")),
    ],
)
def test_the_column_is_found_by_our_own_names(
    context: str | None, found: tuple[str | None, str]
) -> None:
    error = asyncpg.InvalidTextRepresentationError("bad")
    error.context = context

    assert broken_column(error, ["clicks", "a b", "b"]) == found
