"""Accounts, instances, credentials and workflows over HTTP."""

import pytest

from shared.domain.ids import CREDENTIAL_PREFIX, CredentialId, read
from shared.security.tokens import TokenContext, TokenKind
from tests.integration.api.conftest import PRIVATE_KEY, SQL, SQL_WITH_PARAMETERS, Api

ACCOUNT = {"entity_id": "ENTITY1", "marketplace_id": "ATVPDKIKX0DER"}


async def test_an_account_is_created_read_changed_and_listed(api: Api):
    created = await api.post("/api/v1/accounts", {**ACCOUNT, "name": "Brand"})
    credential = await api.credential()

    changed = await api.http.patch(
        created.headers["Location"],
        json={"name": "B", "credential_id": credential, "max_concurrent_executions": 3},
    )

    assert created.status_code == 201
    assert created.json()["max_concurrent_executions"] == 200
    assert changed.json() == {
        **created.json(),
        "name": "B",
        "credential_id": credential,
        "max_concurrent_executions": 3,
    }
    assert (await api.get("/api/v1/accounts")).json()["items"] == [changed.json()]
    assert await api.database.fetchval("select count(*) from account_gates") == 1


async def test_a_second_account_of_the_same_entity_is_409(api: Api):
    await api.post("/api/v1/accounts", ACCOUNT)

    response = await api.post("/api/v1/accounts", ACCOUNT)

    assert (response.status_code, response.json()["code"]) == (409, "already_exists")


@pytest.mark.parametrize("credential", ["cr_nothing", "cr_01900000000070008000000000000000"])
async def test_an_account_needs_a_credential_that_exists(api: Api, credential: str):
    body = {**ACCOUNT, "credential_id": credential}
    assert (await api.post("/api/v1/accounts", body)).status_code == 404

    account = await api.account("E2")
    response = await api.http.patch(
        f"/api/v1/accounts/{account}", json={"credential_id": credential}
    )
    assert response.status_code == 404


async def test_an_instance_is_born_with_gate_and_rate_budget(api: Api):
    instance = await api.instance("amcone", max_requests_per_second=20)

    step = await api.database.fetchval("select extract(epoch from step) from rate_budgets")
    gates = await api.database.fetchval("select count(*) from instance_gates")
    shown = (await api.get(f"/api/v1/instances/{instance}")).json()

    assert float(step) == pytest.approx(1 / (0.94 * 20), abs=1e-6)
    assert gates == 1
    assert (shown["id"], shown["instance_id"], shown["paused"]) == ("amcone", "amcone", False)


async def test_an_instance_needs_its_account_and_a_harmless_id(api: Api):
    account = await api.account()
    unknown = {"instance_id": "amcone", "account_id": "ac_01900000000070008000000000000000"}

    assert (await api.post("/api/v1/instances", unknown)).status_code == 404
    for wrong in ("..", "a/b", "a?b", "", "a\x00"):
        body = {"instance_id": wrong, "account_id": account}
        response = await api.post("/api/v1/instances", body)
        assert response.json()["errors"][0]["loc"] == ["instance_id"], wrong


async def test_instances_are_listed_by_account_page_by_page(api: Api):
    account = await api.account("E9")
    for number in range(5):
        await api.instance(f"amc{number}", account_id=account)
    await api.instance("amcother")

    page = (await api.get("/api/v1/instances", account_id=account, limit=3)).json()
    rest = (
        await api.get("/api/v1/instances", account_id=account, limit=3, cursor=page["next_cursor"])
    ).json()

    assert [item["id"] for item in page["items"] + rest["items"]] == [
        f"amc{number}" for number in range(5)
    ]
    assert not rest["has_more"]


async def test_limits_change_and_a_quota_can_be_taken_away(api: Api):
    instance = await api.instance()
    path = f"/api/v1/instances/{instance}"

    with_quota = await api.http.patch(
        path, json={"daily_execution_quota": 30, "max_concurrent_executions": 7}
    )
    untouched = await api.http.patch(path, json={"max_requests_per_second": 5})
    without = await api.http.patch(path, json={"daily_execution_quota": None})

    assert with_quota.json()["daily_execution_quota"] == 30
    assert untouched.json()["daily_execution_quota"] == 30
    assert without.json()["daily_execution_quota"] is None
    assert without.json()["max_concurrent_executions"] == 7
    step = await api.database.fetchval("select extract(epoch from step) from rate_budgets")
    assert float(step) == pytest.approx(1 / (0.94 * 5), abs=1e-6)


@pytest.mark.parametrize(
    "patch",
    [
        {"max_concurrent_executions": 0},
        {"max_requests_per_second": 10**9},
        {"daily_execution_quota": 0},
        {"quota_time_zone": "Mars"},
        {"paused": True},
    ],
)
async def test_a_limit_that_makes_no_sense_is_refused(api: Api, patch: dict[str, object]):
    response = await api.http.patch(f"/api/v1/instances/{await api.instance()}", json=patch)

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == list(patch)


async def test_pause_and_resume_say_who_and_why(api: Api):
    path = f"/api/v1/instances/{await api.instance()}"

    paused = (await api.post(f"{path}/pause", {"reason": "billing"})).json()
    resumed = (await api.post(f"{path}/resume")).json()

    assert (paused["paused"], paused["paused_by"], paused["pause_reason"]) == (
        True,
        "tester",
        "billing",
    )
    assert (resumed["paused"], resumed["paused_by"]) == (False, None)


async def test_pausing_needs_no_body(api: Api):
    path = f"/api/v1/instances/{await api.instance()}/pause"

    assert (await api.http.post(path)).json()["paused"]


async def test_limits_and_queue_show_what_is_going_on_now(api: Api):
    workflow = await api.workflow()
    instance = await api.instance(max_concurrent_executions=2, daily_execution_quota=10)
    running = await api.execution(workflow, instance)
    low = await api.execution(workflow, instance, priority=1)
    high = await api.execution(workflow, instance, priority=8)
    await api.put_in(running, "submitting", "pending")

    limits = (await api.get(f"/api/v1/instances/{instance}/limits")).json()
    queue = (await api.get(f"/api/v1/instances/{instance}/queue")).json()

    expected = {"in_use": 1, "queued": 2, "quota_left": 9, "account_in_use": 1, "paused": False}
    assert {name: limits[name] for name in expected} == expected
    assert limits["requests_paused_until"] is None
    assert queue["queued"] == 2
    assert [(item["position"], item["id"]) for item in queue["items"]] == [(1, high), (2, low)]


@pytest.mark.parametrize("tail", ["", "/limits", "/queue"])
@pytest.mark.parametrize("name", ["amcnone", "%00", "wf_1"])
async def test_an_unknown_instance_is_404_everywhere(api: Api, name: str, tail: str):
    assert (await api.get(f"/api/v1/instances/{name}{tail}")).status_code == 404


async def test_a_refresh_token_is_sealed_and_never_shown(api: Api):
    response = await api.post(
        "/api/v1/credentials", {"name": "main", "refresh_token": "Atzr|secret", "region": "EU"}
    )

    row = await api.database.fetchrow("select * from credentials")
    context = TokenContext(CredentialId(row["id"]), TokenKind.REFRESH)
    opened = PRIVATE_KEY.open(context, row["refresh_token_ciphertext"], row["refresh_token_key_id"])
    shown = (await api.get(response.headers["Location"])).text
    assert opened == "Atzr|secret"
    assert b"secret" not in row["refresh_token_ciphertext"]
    assert "secret" not in response.text + shown
    assert (response.json()["status"], response.json()["region"]) == ("new", "EU")


async def test_a_stored_credential_is_asked_to_be_refreshed_at_once(api: Api):
    credential = await api.credential()

    row = await api.database.fetchrow("select message_type, body from outbox")

    assert row["message_type"] == "refresh_credential.v1"
    assert row["body"] == {
        "credential_id": str(read(CREDENTIAL_PREFIX, credential, what="credential"))
    }
    assert api.hints.wakes


async def test_authorising_again_makes_a_broken_credential_new(api: Api):
    credential = await api.credential()
    await api.database.execute("update credentials set status = 'broken', broken_reason = 'x'")
    version = await api.database.fetchval("select version from credentials")

    response = await api.http.put(
        f"/api/v1/credentials/{credential}/refresh_token", json={"refresh_token": "Atzr|other"}
    )

    assert (response.json()["status"], response.json()["broken_reason"]) == ("new", None)
    assert await api.database.fetchval("select version from credentials") > version
    assert await api.database.fetchval("select count(*) from outbox") == 2


@pytest.mark.parametrize("token", ["", "with space", "é", "x" * 4097, None])
async def test_a_token_that_cannot_be_one_is_refused_without_repeating_it(api: Api, token: object):
    response = await api.post("/api/v1/credentials", {"name": "n", "refresh_token": token})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["refresh_token"]
    assert "with space" not in response.text


async def test_two_credentials_do_not_share_a_name(api: Api):
    await api.credential("main")

    response = await api.post("/api/v1/credentials", {"name": "main", "refresh_token": "Atzr|x"})

    assert (response.status_code, response.json()["code"]) == (409, "already_exists")


async def test_a_workflow_declares_what_its_sql_names(api: Api):
    response = await api.post(
        "/api/v1/workflows",
        {
            "name": "brand report",
            "sql_query": SQL_WITH_PARAMETERS,
            "parameters": [{"name": "campaign", "data_type": "LONG", "default_value": "1"}],
        },
    )

    shown = (await api.get(response.headers["Location"])).json()
    assert response.status_code == 201
    assert response.json()["warnings"] == []
    assert [(each["name"], each["data_type"]) for each in shown["parameters"]] == [
        ("brand", "STRING"),
        ("campaign", "LONG"),
    ]
    assert shown["amc_workflow_id"].startswith(shown["id"] + "_")


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"name": "w"}, ["sql_query"]),
        ({"name": "w", "sql_query": "  \n"}, ["sql_query"]),
        ({"name": "w", "sql_query": "x" * 131_073}, ["sql_query"]),
        ({"name": "", "sql_query": SQL}, ["name"]),
        ({"name": "w", "sql_query": SQL, "id": "wf_1"}, ["id"]),
        (
            {"name": "w", "sql_query": SQL, "parameters": [{"name": "unused"}]},
            ["parameters", 0, "name"],
        ),
        (
            {"name": "w", "sql_query": SQL_WITH_PARAMETERS, "parameters": [{"name": "brand"}] * 2},
            ["parameters", 1, "name"],
        ),
        (
            {
                "name": "w",
                "sql_query": SQL_WITH_PARAMETERS,
                "parameters": [{"name": "brand", "data_type": "TEXT"}],
            },
            ["parameters", 0, "data_type"],
        ),
    ],
)
async def test_a_wrong_workflow_names_its_field(
    api: Api, body: dict[str, object], loc: list[object]
):
    response = await api.post("/api/v1/workflows", body)

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == loc


@pytest.mark.parametrize("sql", ["SELEC 1 FRM", "SELECT 'open", "(" * 3000 + "1" + ")" * 3000])
async def test_sql_that_does_not_parse_is_saved_with_a_warning(api: Api, sql: str):
    response = await api.post("/api/v1/workflows", {"name": "w", "sql_query": sql})

    assert response.status_code == 201
    assert response.json()["warnings"]
    assert response.json()["sql_query"] == sql


async def test_queued_executions_keep_the_definition_they_were_accepted_with(api: Api):
    workflow, instance = await api.workflow(), await api.instance()
    before = await api.execution(workflow, instance)

    changed = await api.http.patch(
        f"/api/v1/workflows/{workflow}", json={"sql_query": SQL_WITH_PARAMETERS}
    )
    after = await api.execution(workflow, instance, parameters={"brand": "b", "campaign": "c"})

    old = (await api.get(f"/api/v1/executions/{before}")).json()["amc_workflow_id"]
    new = (await api.get(f"/api/v1/executions/{after}")).json()["amc_workflow_id"]
    assert old != new == changed.json()["amc_workflow_id"]
    assert changed.json()["version"] == 2


async def test_other_sql_drops_declarations_it_no_longer_names(api: Api):
    workflow = await api.workflow(SQL_WITH_PARAMETERS)

    changed = await api.http.patch(f"/api/v1/workflows/{workflow}", json={"sql_query": SQL})

    assert changed.json()["parameters"] == []


async def test_going_back_to_an_earlier_text_finds_its_earlier_definition(api: Api):
    workflow = await api.workflow()
    first = (await api.get(f"/api/v1/workflows/{workflow}")).json()
    await api.http.patch(f"/api/v1/workflows/{workflow}", json={"sql_query": "SELECT 2 FROM t"})

    back = await api.http.put(f"/api/v1/workflows/{workflow}", json={"name": "w", "sql_query": SQL})

    assert back.json()["amc_workflow_id"] == first["amc_workflow_id"]
    assert back.json()["version"] == 3


async def test_a_new_name_alone_is_no_new_version(api: Api):
    workflow = await api.workflow()

    changed = await api.http.patch(
        f"/api/v1/workflows/{workflow}", json={"name": "other", "description": "d"}
    )

    assert (changed.json()["name"], changed.json()["version"]) == ("other", 1)


async def test_lists_of_workflows_leave_the_sql_out_and_deleted_ones_too(api: Api):
    kept, deleted = await api.workflow(), await api.workflow()
    await api.http.delete(f"/api/v1/workflows/{deleted}")

    items = (await api.get("/api/v1/workflows")).json()["items"]

    assert [item["id"] for item in items] == [kept]
    assert "sql_query" not in items[0]
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        body = {"name": "w", "sql_query": SQL} if method in {"PUT", "PATCH"} else None
        response = await api.http.request(method, f"/api/v1/workflows/{deleted}", json=body)
        assert response.status_code == 404


@pytest.mark.parametrize("noun", ["accounts", "workflows", "credentials"])
async def test_unknown_ids_and_wrong_forms_are_404(api: Api, noun: str):
    for wrong in ("01900000-0000-7000-8000-000000000000", "nothing", "ex_1"):
        response = await api.get(f"/api/v1/{noun}/{wrong}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("noun", ["accounts", "workflows", "credentials", "instances"])
async def test_every_list_walks_by_cursor(api: Api, noun: str):
    for number in range(3):
        await api.instance(f"amc{number}")
        await api.workflow()

    seen = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.get(f"/api/v1/{noun}", limit=1, **cursor)).json()
        seen += [item["id"] for item in page["items"]]
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert len(seen) == len(set(seen)) == 3
