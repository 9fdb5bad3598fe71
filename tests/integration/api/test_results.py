"""Results over HTTP: pages, downloads, and plain words where there is nothing to show."""

import hashlib
import io
import json
from dataclasses import dataclass

import pyarrow.parquet as pq
import pytest

from services.api.paging import wrap
from services.api.schemas.results import ResultsOut
from shared.db.results.load import ResultLoader
from shared.db.results.order import LoadOrder
from shared.db.results.retention import drop_result
from shared.domain.claims import Destination, DownloadClaim, Login
from shared.domain.ids import (
    AmcExecutionId,
    AmcInstanceId,
    CredentialId,
    EntityId,
    InstanceKey,
    MarketplaceId,
)
from tests.integration.api.conftest import Api, execution_uuid

CSV = b'campaign,n\n"a, b",1\n=c,2\n,3\n'


@dataclass(frozen=True)
class Part:
    """A part in memory."""

    data: bytes
    is_whole: bool = True

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.data).digest()

    def open(self) -> io.BytesIO:
        return io.BytesIO(self.data)

    async def more_than(self, size: int) -> None:
        """It is whole."""


async def completed(api: Api, data: bytes = CSV, **more: object) -> str:
    """An execution whose result has been stored as the downloader does it."""
    workflow = await api.workflow(name="Weekly / report")
    execution = await api.execution(workflow, await api.instance(), **more)
    await api.put_in(execution, "submitting", "pending", "running", "downloading")
    await ResultLoader(api.database).load(LoadOrder(await claim(api, execution), [Part(data)]))
    return execution


async def claim(api: Api, execution: str) -> DownloadClaim:
    """What the loader reads of a claim."""
    row = await api.database.fetchrow(
        "select e.id, e.no, e.fence, e.workflow_id, w.no as workflow_no, w.name"
        " from workflow_executions e join workflows w on w.id = e.workflow_id where e.id = $1",
        execution_uuid(execution),
    )
    return DownloadClaim(
        execution_id=row["id"],
        no=row["no"],
        workflow_id=row["workflow_id"],
        workflow_no=row["workflow_no"],
        workflow_name=row["name"],
        fence=row["fence"],
        postponed_count=0,
        amc_execution_id=AmcExecutionId("x"),
        output_location=None,
        destination=Destination(
            InstanceKey(1),
            AmcInstanceId("amcone"),
            EntityId("E"),
            MarketplaceId("M"),
            "NA",
            Login(CredentialId(row["id"]), None, None, None, 0),
        ),
    )


async def test_pages_give_columns_and_rows_in_file_order(api: Api):
    execution = await completed(api)

    first = (await api.get(f"/api/v1/executions/{execution}/results", limit=2)).json()
    rest = (
        await api.get(
            f"/api/v1/executions/{execution}/results", limit=2, cursor=first["next_cursor"]
        )
    ).json()

    assert first["columns"] == [
        {"name": "campaign", "type": "text"},
        {"name": "n", "type": "bigint"},
    ]
    assert first["items"] + rest["items"] == [["a, b", 1], ["=c", 2], [None, 3]]
    assert (first["has_more"], rest["has_more"], rest["next_cursor"]) == (True, False, None)
    assert first["row_count"] == 3


async def test_an_empty_result_has_its_columns_and_no_rows(api: Api):
    execution = await completed(api, b"campaign,n\n")

    page = (await api.get(f"/api/v1/executions/{execution}/results")).json()

    assert [column["name"] for column in page["columns"]] == ["campaign", "n"]
    assert (page["items"], page["next_cursor"]) == ([], None)


async def test_csv_is_the_default_download(api: Api):
    execution = await completed(api)

    response = await api.get(f"/api/v1/executions/{execution}/download")

    assert response.content == CSV
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-disposition"] == (
        f'attachment; filename="Weekly-report_{execution}.csv"'
    )


async def test_json_lines_have_one_object_for_each_row(api: Api):
    execution = await completed(api)

    response = await api.get(f"/api/v1/executions/{execution}/download", format="jsonl")

    assert [json.loads(line) for line in response.text.splitlines()] == [
        {"campaign": "a, b", "n": 1},
        {"campaign": "=c", "n": 2},
        {"campaign": None, "n": 3},
    ]


async def test_an_execution_asked_for_as_parquet_downloads_as_parquet(api: Api):
    execution = await completed(api, output_format="PARQUET")

    response = await api.get(f"/api/v1/executions/{execution}/download")

    assert pq.read_table(io.BytesIO(response.content)).num_rows == 3
    assert response.headers["content-disposition"].endswith('.parquet"')


async def test_another_download_format_is_422(api: Api):
    execution = await completed(api)

    response = await api.get(f"/api/v1/executions/{execution}/download", format="xlsx")

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["query", "format"]


@pytest.mark.parametrize("tail", ["results", "download"])
@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((), "result_not_ready"),
        (("submitting", "pending", "running"), "result_not_ready"),
        (("submitting", "failed"), "no_result"),
        (("cancelled",), "no_result"),
    ],
)
async def test_without_a_result_the_problem_says_where_it_stands(
    api: Api, tail: str, states: tuple[str, ...], code: str
):
    execution = await api.one()
    await api.put_in(execution, *states)

    response = await api.get(f"/api/v1/executions/{execution}/{tail}")

    problem = response.json()
    assert (response.status_code, problem["code"]) == (409, code)
    assert problem["execution_status"] == (states or ("queued",))[-1]
    assert ("Retry-After" in response.headers) == (code == "result_not_ready")
    assert problem["retryable"] == (code == "result_not_ready")


@pytest.mark.parametrize("limit", [0, 1001])
async def test_a_page_of_a_result_has_one_to_1000_rows(api: Api, limit: int):
    path = f"/api/v1/executions/{await api.one()}/results"

    assert (await api.get(path, limit=limit)).status_code == 422


async def test_pages_are_gone_with_their_rows_whoever_turned_them_before(api: Api):
    execution = await completed(api)
    path = f"/api/v1/executions/{execution}/results"
    end = (await api.get(path, limit=2)).json()["next_cursor"]
    assert (await api.get(path, cursor=end)).json()["items"]

    assert await drop_result(api.database, execution_uuid(execution))

    for cursor in ({}, {"cursor": end}, {"cursor": wrap("results", 3)}):
        answer = await api.get(path, **cursor)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.json()["detail"].startswith("The rows of this result were removed")


async def test_an_empty_result_is_gone_once_it_was_removed(api: Api):
    execution = await completed(api, b"campaign,n\n")
    path = f"/api/v1/executions/{execution}/results"
    assert (await api.get(path)).status_code == 200

    assert await drop_result(api.database, execution_uuid(execution))

    assert (await api.get(path)).status_code == 404


async def test_a_page_is_what_the_document_says(api: Api):
    execution = await completed(api)

    for limit in (1, 3):
        answer = await api.get(f"/api/v1/executions/{execution}/results", limit=limit)
        assert ResultsOut.model_validate_json(answer.content).model_dump() == answer.json()
        assert answer.headers["content-type"] == "application/json"


async def test_a_plain_request_for_a_page_is_answered_as_any_other(api: Api):
    execution = await completed(api)
    path = f"/api/v1/executions/{execution}/results"

    for params in ({}, {"limit": 2}, {"limit": 2, "cursor": wrap("results", 1)}):
        plain = await api.get(path, **params)
        assert plain.content == (await api.get(path, **params, unknown="x")).content


async def test_a_cursor_of_another_list_is_400(api: Api):
    execution = await completed(api)

    response = await api.get(
        f"/api/v1/executions/{execution}/results", cursor="WyJpbnN0YW5jZXMiLCAxXQ"
    )

    assert response.json()["code"] == "bad_cursor"
