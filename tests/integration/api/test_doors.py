"""What every path has in common: tokens, request ids, limits, and the shape of problems."""

import json

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.api.app import Exposure, create_app
from services.api.problems import Problem
from services.api.schemas.accounts import AccountIn
from services.api.schemas.credentials import CredentialIn
from services.api.schemas.instances import InstanceIn
from services.api.schemas.workflows import WorkflowIn
from shared.db.pool import Database
from shared.db.service_tokens import ServiceTokens
from shared.intake.models import ExecutionItem
from shared.security.service_tokens import hash_service_token, new_service_token
from tests.integration.api.conftest import Api, open_api

OPEN = {"/healthz", "/readyz", "/metrics", "/docs", "/api/v1/openapi.json"}


def is_problem(response: httpx.Response) -> Problem:
    assert response.headers["content-type"] == "application/problem+json"
    problem = Problem.model_validate_json(response.text)
    assert problem.status == response.status_code
    assert problem.request_id == response.headers["X-Request-ID"] != ""
    assert problem.detail
    return problem


async def test_every_route_but_the_open_ones_needs_a_token(api: Api):
    api.http.headers.pop("Authorization")
    routes = list(iter_route_contexts(create_app(api.state).routes))

    closed = 0
    for route in routes:
        for method in route.methods or {"GET"}:
            response = await api.http.request(method, route.path)
            if route.path in OPEN:
                assert response.status_code in {200, 405}, route.path
            else:
                closed += 1
                assert response.status_code == 401, (method, route.path)
    assert closed > 30


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer amc_sk_wrong", "Bearer \xff"],
)
async def test_a_wrong_token_is_401_with_a_challenge(api: Api, authorization: str):
    headers = {"Authorization": authorization.encode("latin-1")}

    response = await api.http.get("/api/v1/workflows", headers=headers)

    assert is_problem(response).code == "unauthenticated"
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_revoked_token_ends_once_the_memory_of_it_is_over(api: Api):
    book, token, now = ServiceTokens(api.database), new_service_token(), [0.0]
    names = type(api.state.token_names)(book, ttl_seconds=5, clock=lambda: now[0])
    await book.create("other", hash_service_token(token))
    assert await names.owner(token) == "other"

    assert await book.revoke("other")

    assert await names.owner(token) == "other"
    now[0] = 6
    with pytest.raises(Exception, match="revoked"):
        await names.owner(token)


async def test_a_token_made_after_a_failed_try_works_at_once(api: Api):
    token = new_service_token()
    headers = {"Authorization": f"Bearer {token}"}
    assert (await api.http.get("/api/v1/workflows", headers=headers)).status_code == 401

    await ServiceTokens(api.database).create("late", hash_service_token(token))

    assert (await api.http.get("/api/v1/workflows", headers=headers)).status_code == 200


async def test_a_request_id_is_kept_if_harmless_and_made_otherwise(api: Api):
    kept = await api.http.get("/healthz", headers={"X-Request-ID": "abc-123"})
    made = await api.http.get("/healthz", headers={"X-Request-ID": 'a"b\u00e9'.encode()})

    assert kept.headers["X-Request-ID"] == "abc-123"
    assert len(made.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/accounts", 405),
        ("GET", "/api/v1/executions/ex_1", 404),
        ("POST", "/api/v1/workflows", 422),
        ("GET", "/api/v1/executions?limit=x", 422),
        ("GET", "/api/v1/executions?instance_id=%00", 404),
        ("GET", "/api/v1/executions?workflow_id=x", 404),
        ("GET", "/api/v1/executions?cursor=%00", 400),
        ("GET", "/api/v1/events?execution_id=x", 404),
        ("GET", "/api/v1/instances?account_id=x", 404),
    ],
)
async def test_every_error_is_a_problem_document(api: Api, method: str, path: str, status: int):
    response = await api.http.request(method, path)

    assert response.status_code == status
    is_problem(response)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 422),
        (b"[" * 100_000, 400),
        (b'{"name": "\xff"}', 400),
        (b'{"name": 1e999, "sql_query": "x"}', 422),
        (b"9" * 6000, 400),
        (b'{"name": "\\ud800", "sql_query": "x"}', 422),
        (b'{"\\ud800": 1}', 422),
        (b'"text"', 422),
        (b"", 422),
        (b"null", 422),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(api: Api, content: bytes, status: int):
    response = await api.http.post(
        "/api/v1/workflows", content=content, headers={"Content-Type": "application/json"}
    )

    assert response.status_code == status
    is_problem(response)


async def test_a_crash_shows_nothing_but_where_to_look(api: Api, monkeypatch: pytest.MonkeyPatch):
    async def crash(_self: object, **_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(api.state.workflows), "page", crash)

    response = await api.get("/api/v1/workflows")

    assert (response.status_code, is_problem(response).code) == (500, "internal_error")
    assert "secret" not in response.text


@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_body_over_the_limit_is_413(database: Database, is_declared: bool):
    async def chunks():
        for _ in range(20):
            yield b" " * 100

    async with open_api(database, Exposure(max_body_bytes=1024)) as api:
        response = await api.http.post(
            "/api/v1/workflows",
            content=b" " * 2000 if is_declared else chunks(),
            headers={"Content-Type": "application/json"},
        )

    assert (response.status_code, is_problem(response).code) == (413, "body_too_large")


async def test_a_stranger_learns_nothing_and_sends_nothing(api: Api):
    api.http.headers.pop("Authorization")

    known = await api.http.post("/api/v1/workflows", content=b"x" * 10_000)
    unknown = await api.http.get("/api/v1/nothing")

    assert (known.status_code, unknown.status_code) == (401, 401)


async def test_the_description_is_openapi_3_1_and_names_the_token(api: Api):
    document = (await api.get("/api/v1/openapi.json")).json()

    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert (path in OPEN) != ("security" in operation), path
    assert "/workflows/{workflow_id}/execute" not in document["paths"]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    sorted(
        {*WorkflowIn.model_fields, *InstanceIn.model_fields, *AccountIn.model_fields}
        | {*CredentialIn.model_fields, *ExecutionItem.model_fields, "items"}
    )
)
BODIES = st.dictionaries(NAMES, ANY_JSON | st.sampled_from(["amcone", "SELECT 1"]), max_size=8)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=BODIES | ANY_JSON)
async def test_no_json_body_is_a_crash(api: Api, body: object):
    for method, path in (
        ("POST", "/api/v1/workflows"),
        ("POST", "/api/v1/accounts"),
        ("POST", "/api/v1/instances"),
        ("POST", "/api/v1/credentials"),
        ("POST", "/api/v1/executions/bulk"),
        ("POST", "/api/v1/workflows/wf_1/executions"),
    ):
        response = await api.http.request(
            method,
            path,
            content=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        assert response.status_code < 500, (path, body, response.text)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=40))
async def test_no_path_or_query_is_a_crash(api: Api, text: str):
    for path in ("workflows", "executions", "instances", "accounts", "credentials"):
        quoted = httpx.QueryParams({"x": text}).__str__().removeprefix("x=")
        for url in (
            f"/api/v1/{path}/{quoted}",
            f"/api/v1/{path}?cursor={quoted}&status={quoted}&instance_id={quoted}",
        ):
            assert (await api.http.get(url)).status_code < 500, url
