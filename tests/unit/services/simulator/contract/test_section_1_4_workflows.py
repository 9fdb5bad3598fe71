"""Section 1.4: workflows, as they are saved, shown and refused."""

import pytest

from tests.unit.services.simulator.contract.conftest import ARRAY, PARAMETER, SQL


@pytest.mark.parametrize(
    ("name", "status"), [("aZ0._-", 200), ("a b", 400), ("", 400), ("ä", 400), ("a/b", 400)]
)
async def test_s1_4_workflow_id_has_its_characters(save, name, status):
    assert (await save(name)).status_code == status


async def test_s1_4_sql_query_comes_back_as_it_was_sent(client, base, save):
    sql = f"-- first\n\t{SQL}"
    await save(sql=sql)

    assert (await client.get(f"{base}/workflows/wf")).json()["sqlQuery"] == sql


async def test_s1_4_query_is_kept_beside_a_sql_query_which_goes_first(client, base, save):
    await save(query=["b3BlcmF0aW9u"])

    shown = (await client.get(f"{base}/workflows/wf")).json()

    assert shown == {"query": ["b3BlcmF0aW9u"], "sqlQuery": SQL, "workflowId": "wf"}


@pytest.mark.parametrize("query", [["b3BlcmF0aW9u"], ["no base64"], ["YQ=="] * 101, "YQ=="])
async def test_s1_4_query_alone_is_refused(client, base, unlimited, query):
    answer = await client.post(f"{base}/workflows", json={"workflowId": "wf", "query": query})

    assert answer.status_code == 400
    assert "query" in answer.json()["details"]


async def test_s1_4_input_parameters_are_echoed(client, base, save):
    given = {"name": "p", "dataType": ARRAY, "defaultValue": ["a", "b"]}
    await save(inputParameters=[given])

    (shown,) = (await client.get(f"{base}/workflows/wf")).json()["inputParameters"]
    assert shown == {**given, "dataType": {**ARRAY, "elementNullable": False}}


async def test_s1_4_input_parameters_are_100_at_most(save):
    many = [{"name": f"p{number}"} for number in range(101)]

    assert (await save("a", inputParameters=many[:100])).status_code == 200
    assert (await save("b", inputParameters=many)).status_code == 400


COLUMNS = [
    {"name": "campaign", "columnType": "DIMENSION", "dataType": "STRING"},
    {"name": "imps", "columnType": "METRIC", "dataType": "LONG"},
]


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        (COLUMNS, 200),
        (COLUMNS[:1], 400),
        (COLUMNS[::-1], 400),
        ([COLUMNS[0], {**COLUMNS[1], "name": "IMPS"}], 400),
        ([COLUMNS[0], {**COLUMNS[1], "columnType": "DIMENSION"}], 400),
        ([COLUMNS[0], {**COLUMNS[1], "dataType": "STRING"}], 400),
        ([{"name": f"c{number}"} for number in range(101)], 400),
    ],
)
async def test_s1_4_output_columns_must_match(save, columns, status):
    answer = await save(outputColumns=columns)

    assert answer.status_code == status, answer.text


async def test_s1_4_output_format_is_an_object(client, base, save):
    dialect = {"escapeCharacter": "\\", "quoteCharacter": '"', "separatorCharacter": ";"}
    await save(outputFormat=dialect)

    assert (await client.get(f"{base}/workflows/wf")).json()["outputFormat"] == dialect


async def test_s1_4_output_format_that_is_a_word_is_dropped(client, base, save):
    saved = await save(outputFormat="CSV")

    assert saved.status_code == 200
    assert "outputFormat" not in (await client.get(f"{base}/workflows/wf")).json()


async def test_s1_4_other_members_are_echoed(client, base, save):
    members = {
        "inputSchema": "sandbox",
        "privacyFilteringBehavior": "REMOVE_VALUES",
        "filteredMetricsDiscriminatorColumn": "filtered",
        "distinctUserCountColumn": "users",
        "filteredReasonColumn": "why",
    }
    await save(**members)

    assert (await client.get(f"{base}/workflows/wf")).json().items() >= members.items()
    assert (await save("x", privacyFilteringBehavior="KEEP")).status_code == 400


async def test_s1_4_workflow_id_is_not_changed_by_an_update(client, base, save):
    await save()
    await client.put(f"{base}/workflows/wf", json={"workflowId": "other", "sqlQuery": SQL})

    listed = (await client.get(f"{base}/workflows")).json()["workflows"]

    assert [workflow["workflowId"] for workflow in listed] == ["wf"]


DATA_TYPES = (
    "BINARY BOOLEAN BYTE CALENDAR_INTERVAL DATE DECIMAL DOUBLE FLOAT INTEGER LONG SHORT STRING"
    " TIMESTAMP"
)


@pytest.mark.parametrize("word", DATA_TYPES.split())
async def test_s1_4_input_parameters_have_every_type_of_the_schema(client, base, save, word):
    given = [{"columnType": "METRIC", "dataType": word, "defaultValue": "1", "name": "p"}]
    await save(inputParameters=given)

    shown = (await client.get(f"{base}/workflows/wf")).json()

    assert shown["inputParameters"] == given


@pytest.mark.parametrize(("choice", "status"), [("accept", 200), ("refuse", 400)])
async def test_s1_4_sql_query_with_line_ends_follows_a_switch(client, save, choice, status):
    await client.put("/_simulator/switches", json={"sql_line_ends": choice})

    assert (await save("one", SQL)).status_code == 200
    assert (await save("two", SQL.replace(" ", "\n\t"))).status_code == status


async def test_s1_4_null_members_are_left_out(client, base, save):
    await save(inputSchema=None, outputFormat=None)

    shown = (await client.get(f"{base}/workflows/wf")).json()
    assert list(shown) == ["sqlQuery", "workflowId"]


async def test_s1_4_compiled_at_create(save):
    answer = await save(sql=PARAMETER)

    cause = "Filter operation filter_operation referenced an undeclared parameter p."
    assert answer.json() == {
        "code": "400",
        "details": "Was unable to compile workflow wf because it was found to be invalid: " + cause,
    }


async def test_s1_4_compiled_at_create_or_at_run_by_a_switch(client, base, save, later):
    await client.put("/_simulator/switches", json={"undeclared_parameters": "run"})
    saved = await save(sql=PARAMETER)
    made = (await client.post(f"{base}/workflowExecutions", json={"workflowId": "wf"})).json()
    later(10)
    path = f"{base}/workflowExecutions/{made['workflowExecutionId']}"

    assert saved.status_code == 200
    assert (await client.get(path)).json()["status"] == "REJECTED"


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize("member", ["details", "message"])
async def test_s1_4_duplicate_is_refused_in_amcs_words(client, save, status, member):
    switches = {"duplicate_workflow_status": status, "duplicate_workflow_member": member}
    await client.put("/_simulator/switches", json=switches)
    await save()
    answer = await save()

    assert answer.status_code == status
    assert answer.json()[member] == "Workflow with ID wf already exists."


async def test_s1_4_scheduled_workflow_cannot_be_deleted(client, base, save):
    await save()
    body = {"scheduleId": "s", "workflowId": "wf", "aggregationPeriod": "Weekly"}
    await client.post(f"{base}/schedules", json=body)

    refused = await client.delete(f"{base}/workflows/wf")
    await client.delete(f"{base}/schedules/s")
    deleted = await client.delete(f"{base}/workflows/wf")

    assert (refused.status_code, deleted.status_code) == (400, 200)


async def test_s1_4_put_replaces_and_does_not_merge(client, base, save):
    await save(inputSchema="sandbox")
    await client.put(f"{base}/workflows/wf", json={"sqlQuery": SQL})

    assert "inputSchema" not in (await client.get(f"{base}/workflows/wf")).json()
