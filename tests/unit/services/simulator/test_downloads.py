"""Results: their links, their files, their sizes."""

import asyncio
import csv
import hashlib
import io
from itertools import pairwise

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.simulator.catalogue import Column
from services.simulator.results.table import ResultTable
from services.simulator.web.app import build_app
from tests.unit.services.simulator.conftest import SQL

COLUMNS = (Column("a", "STRING", "DIMENSION"), Column("b,c", "LONG", "METRIC"))


async def links(amc, execution_id: str) -> list[str]:
    answer = await amc.get(f"/workflowExecutions/{execution_id}/downloadUrls")
    assert answer.status_code == 200, answer.text
    return answer.json()["downloadUrls"]


async def fetch(amc, url: str) -> httpx.Response:
    """As a client must: without Amazon's headers."""
    transport = httpx.ASGITransport(build_app(amc.simulator))
    async with httpx.AsyncClient(transport=transport) as bare:
        return await bare.get(url)


async def test_a_result_is_not_there_before_the_end(amc):
    execution_id = await amc.started()

    answer = await amc.get(f"/workflowExecutions/{execution_id}/downloadUrls")

    assert answer.status_code == 400
    text = f"Execution with ID {execution_id} is unavailable for download."
    assert answer.json()["details"] == text


class Slow:
    """A result that is worked out until the test says that it is there."""

    def __init__(self) -> None:
        self.asked, self.there = asyncio.Event(), asyncio.Event()

    def wants(self, execution) -> bool:
        return True

    async def ready(self, execution) -> None:
        self.asked.set()
        await self.there.wait()

    def table(self, execution) -> ResultTable:
        assert self.there.is_set()
        return ResultTable(COLUMNS, [["x"], ["1"]], rows=1)


async def test_others_are_answered_while_a_result_is_worked_out(amc):
    execution_id = await amc.started()
    await amc.finished(execution_id)
    amc.simulator.results.worked = slow = Slow()

    async with asyncio.TaskGroup() as group:
        asked = group.create_task(amc.get(f"/workflowExecutions/{execution_id}/downloadUrls"))
        await slow.asked.wait()
        meanwhile = await amc.look(execution_id)
        assert not asked.done()
        slow.there.set()

    assert meanwhile["status"] == "SUCCEEDED"
    assert asked.result().status_code == 200


async def test_a_missing_result_can_be_404_by_a_switch(amc):
    await amc.http.put("/_simulator/switches", json={"unavailable_download_status": 404})
    execution_id = await amc.started()

    path = f"/workflowExecutions/{execution_id}/downloadUrls"
    assert (await amc.get(path)).status_code == 404


async def test_the_file_is_csv_with_a_header_and_the_promised_rows(amc):
    execution_id = await amc.started()
    await amc.finished(execution_id)
    (url,) = await links(amc, execution_id)

    answer = await fetch(amc, url)

    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["campaign", "imps"]
    assert len(rows) == 51
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["content-type"] == "text/csv"


async def test_the_oracle_knows_rows_and_hash_of_every_result(amc):
    execution_id = await amc.started()
    await amc.finished(execution_id)
    (url,) = await links(amc, execution_id)
    content = (await fetch(amc, url)).content

    listed = (await amc.http.get("/_simulator/executions?instance_id=amcsimnwus1")).json()

    (known,) = listed["executions"]
    assert known["id"] == execution_id
    assert known["rows"] == 50
    assert known["sha256"] == hashlib.sha256(content).hexdigest()


async def test_the_oracle_shows_the_files_of_a_result_and_when_it_began(amc):
    execution_id = await amc.started(f"{SQL} -- simulator: rows 20\n-- simulator: parts 2")
    early = await amc.http.get(f"/_simulator/executions/{execution_id}/parts")
    await amc.finished(execution_id)
    contents = [(await fetch(amc, url)).content for url in await links(amc, execution_id)]

    parts = (await amc.http.get(f"/_simulator/executions/{execution_id}/parts")).json()["parts"]
    (known,) = (await amc.http.get("/_simulator/executions")).json()["executions"]

    assert early.status_code == 404
    assert [part["content"].encode() for part in parts] == contents
    assert [part["sha256"] for part in parts] == [hashlib.sha256(c).hexdigest() for c in contents]
    assert [(part["rows"], part["sizeBytes"]) for part in parts] == [(10, len(c)) for c in contents]
    assert known["createTime"] <= known["startTime"] <= known["finishTime"]


async def test_the_same_request_gives_the_same_rows_and_another_window_others(amc):
    await amc.save()
    made = [(await amc.run()).json()["workflowExecutionId"] for _ in range(2)]
    other = await amc.run(timeWindowStart="2026-07-01T00:00:00")
    made.append(other.json()["workflowExecutionId"])
    await amc.finished(made[0])

    contents = [(await fetch(amc, (await links(amc, e))[0])).content for e in made]

    assert contents[0] == contents[1] != contents[2]


async def test_several_parts_have_a_header_each_and_all_the_rows_between_them(amc):
    execution_id = await amc.started(f"{SQL} -- simulator: rows 2000\n-- simulator: parts 3")
    await amc.finished(execution_id)

    parts = [await fetch(amc, url) for url in await links(amc, execution_id)]

    lines = [part.text.splitlines() for part in parts]
    assert [part[0] for part in lines] == ["campaign,imps"] * 3
    assert sum(len(part) - 1 for part in lines) == 2000
    assert all(int(part.headers["content-length"]) == len(part.content) for part in parts)


async def test_a_large_result_is_split_by_size(make_simulator):
    table = ResultTable(COLUMNS, [["x" * 10] * 100, ["1"] * 100], rows=1000)

    assert len(table.parts(None, 100_000)) == 1
    assert len(table.parts(None, 5_000)) == 3
    assert len(table.parts(None, 10)) == 5


DIRECTED = [
    ("rows 0", b"campaign,imps\n"),
    ("empty-file", b""),
]


@pytest.mark.parametrize(("directive", "content"), DIRECTED)
async def test_results_can_be_empty_with_and_without_a_header(amc, directive, content):
    execution_id = await amc.started(f"{SQL} -- simulator: {directive}")
    await amc.finished(execution_id)

    assert (await fetch(amc, (await links(amc, execution_id))[0])).content == content


async def test_columns_can_change_from_run_to_run(amc):
    await amc.save(sql=f"{SQL} -- simulator: columns-change")
    made = [(await amc.run()).json()["workflowExecutionId"] for _ in range(2)]
    shown = [await amc.finished(made[0]), await amc.finished(made[1])]
    files = [await fetch(amc, (await links(amc, e))[0]) for e in made]

    assert [len(s["outputColumns"]) for s in shown] == [2, 3]
    headers = [f.text.splitlines()[0] for f in files]
    assert headers == ["campaign,imps", "campaign,imps,added_column"]


async def test_the_last_row_can_hold_a_word_where_a_number_belongs(amc):
    execution_id = await amc.started(f"{SQL} /* simulator: odd-value */")
    await amc.finished(execution_id)
    answer = await fetch(amc, (await links(amc, execution_id))[0])

    rows = list(csv.reader(io.StringIO(answer.text)))
    assert len(rows) == 51
    assert rows[-1][1] == "not-a-number"


async def test_a_link_dies_after_its_lifetime_with_the_stores_xml(amc):
    execution_id = await amc.started()
    await amc.finished(execution_id)
    (url,) = await links(amc, execution_id)

    amc.clock.pass_(599)
    assert (await fetch(amc, url)).status_code == 200
    amc.clock.pass_(3)
    expired = await fetch(amc, url)

    assert expired.status_code == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in expired.content
    fresh = (await links(amc, execution_id))[0]
    assert (await fetch(amc, fresh)).status_code == 200


async def test_an_altered_link_is_refused(amc):
    execution_id = await amc.started()
    await amc.finished(execution_id)
    (url,) = await links(amc, execution_id)

    longer = await fetch(amc, url.replace("X-Amz-Expires=600", "X-Amz-Expires=60000"))
    other = await fetch(amc, url.replace("part-00000", "part-00001"))

    assert (longer.status_code, other.status_code) == (403, 403)
    assert b"SignatureDoesNotMatch" in longer.content


async def test_a_link_with_an_authorization_header_is_refused_as_the_store_does(amc):
    execution_id = await amc.started()
    await amc.finished(execution_id)
    (url,) = await links(amc, execution_id)

    answer = await amc.http.get(url)

    assert answer.status_code == 400
    assert b"Only one auth mechanism allowed" in answer.content


async def test_the_metadata_file_tells_the_sql(amc):
    execution_id = await amc.started()
    await amc.finished(execution_id)
    answer = (await amc.get(f"/workflowExecutions/{execution_id}/downloadUrls")).json()

    facts = (await fetch(amc, answer["metadataDownloadUrls"][0])).json()

    assert facts["workflowExecutionId"] == execution_id
    assert facts["sqlQuery"] == SQL


fields = st.lists(st.text('aé,"', max_size=5), min_size=3, max_size=3)


@settings(max_examples=60, deadline=None)
@given(fields, st.integers(0, 40), st.data(), st.sampled_from([b"", b"x,y\n"]))
def test_the_size_is_always_that_of_the_bytes(values, rows, data, last_line):
    rows = max(rows, 1 if last_line else 0)
    table = ResultTable(COLUMNS, [values, ["1", "22", "333"]], rows, last_line)
    start = data.draw(st.integers(0, rows))
    stop = data.draw(st.integers(start, rows))

    content = b"".join(table.chunks(start, stop))

    assert table.size(start, stop) == len(content)
    assert content.count(b"\n") == stop - start


@given(st.integers(0, 5000), st.integers(1, 5))
def test_parts_cover_every_row_once(rows, count):
    parts = ResultTable(COLUMNS, [["x"], ["1"]], rows).parts(count, 1)

    assert parts[0][0] == 0
    assert parts[-1][1] == rows
    assert all(left[1] == right[0] for left, right in pairwise(parts))
