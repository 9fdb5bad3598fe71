"""Names that Postgres takes as they are."""

from hypothesis import given
from hypothesis import strategies as st

from shared.db.results.identifiers import (
    RESERVED_COLUMNS,
    clean_name,
    column_names,
    keys_of,
    quote_ident,
)

NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=80), max_size=12)


@given(NAMES)
def test_column_names_are_distinct_short_and_free(header: list[str]) -> None:
    names = column_names(header)

    assert len({name.casefold() for name in names}) == len(header)
    assert all(0 < len(name.encode()) <= 63 and "\0" not in name for name in names)
    assert not RESERVED_COLUMNS.intersection(names)


@given(NAMES)
def test_keys_tell_equal_names_apart(header: list[str]) -> None:
    assert len(set(keys_of(header))) == len(header)


def test_quotes_are_doubled() -> None:
    assert quote_ident('a"; drop') == '"a""; drop"'


def test_names_are_cut_between_characters() -> None:
    assert clean_name("ü" * 40) == "ü" * 31
    assert clean_name(" a\tb\n ") == "ab"
