"""Every request that was accepted ends as it should, by whichever door it came."""

import csv
import hashlib
import io
import json
import uuid
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.e2e.house import SQL, House, Place, run_async, states_of
from tests.e2e.queue import ask_by_queue

TYPED_SQL = (
    "SELECT campaign, impression_date_utc AS day, SUM(impressions) AS impressions,"
    " SUM(total_cost) / 100000 AS spend, COUNT(DISTINCT user_id) AS users"
    " FROM dsp_impressions GROUP BY campaign, impression_date_utc"
)


@pytest.fixture(scope="module")
def finished(session_house: House) -> tuple[dict[str, Any], dict[str, Any]]:
    """A completed execution in three parts that asked for Parquet, and AMC's book of it."""
    house = session_house
    place = house.place(at_amazon={"s3BucketName": "amc-e2e-results"})
    workflow = house.workflow("rows 2300", "parts 3", sql=TYPED_SQL)
    shown = house.ended(house.run(workflow, place, output_format="PARQUET"))
    (made,) = house.at_amazon(shown["id"], place)
    return shown, made


def test_a_request_ends_with_the_rows_amc_made(house: House, finished):
    shown, made = finished

    assert house.states(shown["id"])[-1] == shown["status"] == "completed"
    assert (shown["amc_execution_id"], shown["amc_status"]) == (made["id"], "SUCCEEDED")
    assert shown["row_count"] == made["rows"] == house.rows_by_sql(shown["id"]) == 2300
    assert shown["output_location"].startswith("s3://amc-e2e-results/")


def test_a_csv_download_is_byte_for_byte_what_amc_wrote(house: House, finished):
    shown, made = finished

    content = house.download(shown["id"], "csv").content

    assert hashlib.sha256(content).hexdigest() == made["sha256"]


def test_the_default_download_is_in_the_format_that_was_asked_for(house: House, finished):
    shown, _ = finished

    answer = house.download(shown["id"])
    table = pq.read_table(io.BytesIO(answer.content))

    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert table.num_rows == 2300
    assert table.column_names == ["campaign", "day", "impressions", "spend", "users"]


def test_json_lines_hold_the_same_values_as_the_csv(house: House, finished):
    shown, _ = finished

    lines = [json.loads(line) for line in house.download(shown["id"], "jsonl").text.splitlines()]
    rows = list(csv.DictReader(io.StringIO(house.download(shown["id"], "csv").text)))

    assert [line["campaign"] for line in lines] == [row["campaign"] or None for row in rows]
    assert [str(line["impressions"]) for line in lines] == [row["impressions"] for row in rows]


def test_pages_with_a_cursor_give_all_rows_in_the_order_of_the_file(house: House, finished):
    shown, _ = finished

    paged = house.rows(shown["id"], limit=700)
    names = [
        row["campaign"]
        for row in csv.DictReader(io.StringIO(house.download(shown["id"], "csv").text))
    ]

    assert [row[0] or "" for row in paged] == names


def test_a_bulk_request_over_several_instances_completes_item_by_item(house: House, place: Place):
    places = [place, house.place(shares=place), house.place(shares=place)]
    workflow = house.workflow()
    items = [{"workflow_id": workflow, "instance_id": each.id} for each in places for _ in range(4)]

    answer = house.post("/executions/bulk", {"items": items})
    found = house.all_ended(workflow, 12)

    assert [item["index"] for item in answer["items"]] == list(range(12))
    assert {item["id"] for item in answer["items"]} == {each["id"] for each in found}
    assert states_of(found) == {"completed"}
    assert [house.simulator.stats(each)["executions_created"] for each in places] == [4, 4, 4]
    assert all(each["row_count"] == house.rows_by_sql(each["id"]) for each in found)


def test_a_message_on_the_queue_is_answered_with_ids_that_complete(house: House, place: Place):
    workflow = house.workflow()
    request = {
        "request_id": f"e2e-{uuid.uuid4()}",
        "items": [{"workflow_id": workflow, "instance_id": place.id}] * 3,
        "priority": 7,
        "tags": {"team": "reporting"},
    }

    ((kind, answer),) = run_async(ask_by_queue(house.stack.found.amqp_url, request))
    found = house.all_ended(workflow, 3)

    assert kind == "executions_accepted.v1"
    assert answer["request_id"] == request["request_id"]
    assert {item["id"] for item in answer["items"]} == {each["id"] for each in found}
    assert states_of(found) == {"completed"}
    assert {(each["priority"], each["tags"]["team"]) for each in found} == {(7, "reporting")}


def test_parameters_travel_to_amc_as_values(house: House, place: Place):
    sql = SQL.replace("GROUP BY", "WHERE campaign = CUSTOM_PARAMETER('brand') GROUP BY")
    workflow = house.workflow(sql=sql)

    shown = house.ended(house.run(workflow, place, parameters={"brand": "Café; -- 'x'"}))

    (made,) = house.at_amazon(shown["id"], place)
    assert shown["status"] == "completed"
    assert made["parameterValues"] == {"brand": "Café; -- 'x'"}


def test_a_retry_is_a_new_execution_of_the_same_request(house: House, place: Place):
    first = house.ended(house.run(house.workflow(), place))

    again = house.ended(house.post(f"/executions/{first['id']}/retry")["id"])

    assert (again["status"], again["retry_of"]) == ("completed", first["id"])
    assert again["time_window"] == first["time_window"]
    assert len(house.at_amazon(first["id"], place)) == 2
