"""Bodies nobody should send, and what is left of them."""

import json
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.amc.bodies import MAX_ERROR_CHARS, UndecodableAnswer, clean, read_body
from shared.amc.models import (
    OutputColumn,
    read_download_links,
    read_execution,
    read_execution_page,
)
from tests.unit.shared.amc.build import EXECUTION, EXECUTION_ID, make_answer

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"<html>",
        b"[]",
        b'"text"',
        b"null",
        b'{"a": ',
        b"\xff\xfe{",
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_json_object_is_undecodable(body: bytes | None) -> None:
    with pytest.raises(UndecodableAnswer):
        make_answer(body=body).members()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"code": "400", "details": "d", "message": "m"}, "d"),
        ({"details": "", "message": "m", "errorMessage": "e"}, "m"),
        ({"errorMessage": "e"}, "e"),
        ({"error": "invalid_grant", "error_description": "gone"}, "gone"),
        ({"details": 7, "message": "line\none\x00"}, "line one"),
        ({"details": "token Atza|secret is bad"}, "token Atza|*** is bad"),
        ({"details": "\ud800"}, "?"),
    ],
)
def test_the_error_text_is_amazons_own_in_one_printable_line(
    body: dict[str, object], text: str
) -> None:
    assert make_answer(400, json.dumps(body).encode()).error_text() == text


def test_an_error_that_is_no_json_is_shown_raw_and_short() -> None:
    answer = make_answer(502, b"<html>\n" + b"x" * 10_000)

    assert answer.error_text().startswith("<html> x")
    assert len(answer.error_text()) == MAX_ERROR_CHARS


def test_an_error_without_any_text_names_its_status() -> None:
    assert make_answer(502, b"").error_text() == "HTTP 502 without a text"


@given(st.binary(max_size=200), st.integers(100, 599))
def test_any_bytes_give_a_text_postgres_can_store(body: bytes, status: int) -> None:
    text = make_answer(status, body).error_text()

    assert "\x00" not in text
    assert len(text.encode("utf-8")) <= 4 * MAX_ERROR_CHARS


@given(st.text())
def test_clean_text_is_printable_and_bounded(text: str) -> None:
    assert "\n" not in clean(text, 50)
    assert len(clean(text, 50)) <= 50


def test_a_full_answer_is_read_with_everything_we_use() -> None:
    execution = read_execution(
        EXECUTION
        | {
            "status": "SOMETHING_NEW",
            "statusReason": "because",
            "timeWindowStart": "2025-05-01T04:00:00Z",
            "timeWindowEnd": "2025-05-08T04:00:00",
            "timeWindowTimeZoneOriginal": "America/New_York",
            "parameterValues": {"a": "b"},
            "workflowExecutionTimeoutSeconds": "21607",
            "outputS3URI": "N/A",
            "outputColumns": [{"name": "reach", "dataType": "LONG"}, {"dataType": "X"}, 7],
            "invented": {"by": "nobody"},
        }
    )

    assert execution.status == "SOMETHING_NEW"
    assert execution.created_at == datetime(2025, 6, 1, 11, 59, 58, 123_000, tzinfo=UTC)
    assert execution.time_window_start == datetime(2025, 5, 1, 4, tzinfo=UTC)
    assert execution.time_window_end == datetime(2025, 5, 8, 4, tzinfo=UTC)
    assert execution.timeout_seconds == 21_607
    assert execution.output_location is None
    assert execution.output_columns == (OutputColumn("reach", "LONG"),)


@pytest.mark.parametrize("token", [None, "", 7])
def test_the_last_page_may_say_so_in_any_way(token: object) -> None:
    assert read_execution_page({"executions": [], "nextToken": token}).next_token is None


@pytest.mark.parametrize(
    "body",
    [{}, {"executions": None}, {"executions": [1]}, {"executions": [{"status": "PENDING"}]}],
)
def test_a_list_that_may_hide_an_execution_is_refused_whole(body: dict[str, object]) -> None:
    with pytest.raises(UndecodableAnswer):
        read_execution_page(body)


def test_links_must_be_texts() -> None:
    with pytest.raises(UndecodableAnswer):
        read_download_links({"downloadUrls": [{"url": "x"}]})


@given(
    st.dictionaries(st.sampled_from([*EXECUTION, "timeWindowStart", "outputColumns"]), json_values)
)
def test_an_execution_of_any_shape_is_read_or_undecodable(members: dict[str, object]) -> None:
    body = json.loads(json.dumps({"workflowExecutionId": EXECUTION_ID} | members))

    try:
        execution = read_execution(body)
    except UndecodableAnswer:
        return
    assert execution.amc_execution_id


async def test_a_body_beyond_the_limit_is_not_kept() -> None:
    async def endless():
        while True:
            yield b"x" * 1000

    assert await read_body(httpx.Response(200, content=endless()), 10_000) is None
    assert await read_body(httpx.Response(200, content=b"x" * 10), 9) is None
    assert await read_body(httpx.Response(200, content=b"x" * 10), 10) == b"x" * 10
