"""What is read from AMC SQL, and what must not fool or break the reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.sql.reading import read_sql, read_sql_now


def test_names_are_found_in_any_case_once_and_in_order():
    reading = read_sql_now(
        "SELECT custom_parameter('b'), CUSTOM_PARAMETER ( 'a' ), CUSTOM_PARAMETER('b') FROM t"
    )

    assert reading.parameter_names == ("b", "a")
    assert reading.warnings == ()


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("SELECT 1 -- CUSTOM_PARAMETER('x')\nFROM t", id="line comment"),
        pytest.param("SELECT /* CUSTOM_PARAMETER('x') */ 1 FROM t", id="block comment"),
        pytest.param("SELECT 'CUSTOM_PARAMETER(''x'')' FROM t", id="literal"),
        pytest.param("SELECT \"CUSTOM_PARAMETER('x')\" FROM t", id="quoted name"),
    ],
)
def test_comments_and_literals_do_not_name_parameters(sql: str):
    assert read_sql_now(sql).parameter_names == ()


def test_a_quote_inside_a_name_is_undoubled():
    assert read_sql_now("SELECT CUSTOM_PARAMETER('it''s') FROM t").parameter_names == ("it's",)


def test_a_parse_error_becomes_a_warning_with_its_place():
    reading = read_sql_now("SELECT a,\n FROM WHERE")

    assert reading.whole
    assert reading.warnings[0].startswith("Line 2, column ")


@pytest.mark.parametrize(
    ("sql", "warning"),
    [
        ("SELECT 1; DROP TABLE x", "single query"),
        ("DELETE FROM t", "not a SELECT"),
        ("-- nothing", "no statement"),
        ("(" * 3000 + "1" + ")" * 3000, "nested too deeply"),
    ],
)
def test_odd_shapes_are_warned_about(sql: str, warning: str):
    assert warning in read_sql_now(sql).warnings[0]


def test_an_open_quote_makes_the_reading_partial():
    reading = read_sql_now("SELECT CUSTOM_PARAMETER('x', 'open")

    assert not reading.whole
    assert reading.warnings


async def test_a_long_text_is_read_as_a_short_one_is():
    padding = " " * 5000

    assert (await read_sql(f"SELECT CUSTOM_PARAMETER('x') {padding} FROM t")).parameter_names == (
        "x",
    )


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(sql: str):
    read_sql_now(sql)


@given(
    st.lists(
        st.sampled_from(["SELECT", "(", ")", "'", '"', "--", "/*", "*/", "CUSTOM_PARAMETER", ";"]),
        max_size=30,
    )
)
def test_no_mixture_of_sql_marks_breaks_the_reader(parts: list[str]):
    read_sql_now(" ".join(parts))
