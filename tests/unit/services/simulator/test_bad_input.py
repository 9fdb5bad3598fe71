"""Whatever is sent, Amazon's shapes come back: no traceback, no 500 of ours.

Requests are made by hand, below any HTTP client, so that no client mends them. A larger number of
examples: AMCFLOW_FUZZ_EXAMPLES=5000.
"""

import json
import os
import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from services.simulator.settings import SimulatorSettings
from services.simulator.simulator import build_simulator
from services.simulator.web.app import build_app
from services.simulator.web.gateway import MAX_BODY_BYTES
from tests.unit.services.simulator.conftest import SQL, WEEK, ManualClock

FEW = 300
EXAMPLES = int(os.environ.get("AMCFLOW_FUZZ_EXAMPLES", str(FEW)))
NASTY = [
    "", " ", "\x00", "a\x00b", "\ud800", "../..", "%", "%00", "%ff", "null", "-1", "0", "1e999",
    "NaN", "9" * 400, "9" * 5000, "true", "TRUE", "ä", "\u202e", "'; drop", "<script>", "\r\nx: y",
    "a" * 9000,
    "2026-08-01T00:00:00", "2026-13-41T99:99:99", "0000-00-00T00:00:00", "9999-12-31T23:59:59",
    "Europe/Berlin", "../etc/passwd", "/etc/localtime", "c2ltOg==", "c2ltOjE=", "c2ltOi0x", "ALL",
    "EXPLICIT", "CANCELLED", "٣", "²", "{", "[]", "wf", "s", "amcsimnwus1",
]  # fmt: skip
WORDS = [
    "workflowId", "sqlQuery", "query", "inputParameters", "outputColumns", "outputFormat", "name",
    "dataType", "defaultValue", "columnType", "type", "elementDataType", "timeWindowType",
    "timeWindowStart", "timeWindowEnd", "timeWindowTimeZone", "parameterValues", "dryRun",
    "workflowExecutionTimeoutSeconds", "maxCertifiedTime", "maxDimensionTime", "advertisers", "id",
    "status", "scheduleId", "aggregationPeriod", "aggregationHourUtc", "aggregationStartDay",
    "scheduleEnabled", "instanceName", "s3BucketName", "awsAccountId", "bucketName", "workflow",
    "advertisersToAdd", "advertisersToRemove", "idempotencyToken", "fault", "match", "path_regex",
    "count", "probability", "accounts", "instances", "accountId", "marketplaceId", "instanceId",
    "requestsPerSecond", "retry_after", "throttle_flavour", "profile", "seed", "refresh_token",
    "account_ids", "grant_type", "client_id", "client_secret", "code", "redirect_uri", "decision",
]  # fmt: skip
QUERIES = [
    "limit", "nextToken", "workflowId", "minCreationTime", "maxCreationTime", "timeZone",
    "sortAscending", "includeCancelled", "includeWorkflow", "marketplaceId", "type", "after",
    "instance_id", "access_token", "profileTypeFilter", "client_id", "redirect_uri", "scope",
    "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature",
]  # fmt: skip
HEADERS = [
    "authorization", "amazon-advertising-api-clientid", "amazon-advertising-api-advertiserid",
    "amazon-advertising-api-marketplaceid", "host", "content-type", "accept", "content-length",
    "x-amz-access-token",
]  # fmt: skip
text = st.sampled_from(NASTY) | st.text(max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | text
    | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | text, inner, max_size=5)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(WORDS), values, max_size=8)
VALID = [
    {"workflowId": "wf", **WEEK},
    {"workflowId": "new", "sqlQuery": SQL},
    {"workflow": {"sqlQuery": SQL}, **WEEK},
    {"scheduleId": "t", "workflowId": "wf", "aggregationPeriod": "Daily"},
    {"instanceName": "New one"},
    {"advertisersToAdd": [{"id": "1", "type": "DISPLAY"}]},
    {"awsAccountId": "123456789012", "bucketName": "bucket"},
    {"fault": "slow:0"},
    {"accounts": [{"accountId": "A", "marketplaceId": "B"}]},
]
RAW = [
    b"", b"{", b"\xff\xfe", b"\xef\xbb\xbf{}", b"null", b"[1]", b'"x"', b"{}{}", b"[" * 100_000,
    b'{"a":' * 50_000, b'{"workflowId": "a", "workflowId": null}', b'{"workflowId": NaN}',
    b'{"workflowId": "\\ud800"}', b"grant_type=%ff&client_id=%00", b"a" * 100_000, b"1e99999",
    b"9" * 10_000,
]  # fmt: skip
mutated = st.builds(lambda base, change: {**base, **change}, st.sampled_from(VALID), objects)
bodies = (
    st.sampled_from(RAW)
    | st.binary(max_size=60)
    | st.builds(lambda value: json.dumps(value).encode(), values | objects | mutated)
    | st.builds(
        lambda pairs: urlencode(pairs, errors="replace").encode(),
        st.dictionaries(st.sampled_from(WORDS), text, max_size=6),
    )
)
queries = st.binary(max_size=30).filter(lambda raw: b"#" not in raw) | st.builds(
    lambda pairs: urlencode(pairs, errors="replace").encode(),
    st.lists(st.tuples(st.sampled_from(QUERIES), text), max_size=5),
)
headers = st.dictionaries(
    st.sampled_from(HEADERS), st.binary(max_size=30) | st.just(b"Bearer \xff"), max_size=3
)


@dataclass
class Reply:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def send(self, message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode("latin-1") for k, v in message["headers"]}
        else:
            self.body += message.get("body", b"")


async def ask(app, method: str, path: str, *, query=b"", head=(), body=b"") -> Reply:
    """One request as the server would hand it on."""
    raw = quote(path, safe="/%", errors="replace")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": unquote(raw), "raw_path": raw.encode(), "root_path": "",
        "query_string": query, "headers": list(head), "server": ("sim.test", 80),
        "client": ("127.0.0.1", 1), "extensions": {},
    }  # fmt: skip
    reply = Reply()

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    await app(scope, receive, reply.send)
    return reply


def routes() -> list[tuple[str, str]]:
    """Every method and path template that there is."""
    app = build_app(build_simulator(SimulatorSettings(engine="made-up"), ManualClock())).app
    found = [route for route in app.routes if isinstance(route, Route)]
    return sorted((method, route.path) for route in found for method in route.methods or ())


class House:
    """A simulator with one thing of each kind, and a caller who is let in."""

    def __init__(self) -> None:
        clock = ManualClock()
        self.simulator = build_simulator(SimulatorSettings(engine="made-up"), clock)
        self.simulator.switches.limits_enabled = False
        self.app = build_app(self.simulator)
        tokens = self.simulator.tokens
        token = tokens.issue(tokens.grant("Atzr|sim-default"))
        self.head = {
            "authorization": f"Bearer {token}".encode(),
            "amazon-advertising-api-clientid": self.simulator.settings.client_id.encode(),
            "amazon-advertising-api-advertiserid": b"ENTITY1SIMNORTHWIND",
            "amazon-advertising-api-marketplaceid": b"ATVPDKIKX0DER",
        }

    async def furnish(self) -> None:
        base = "/amc/reporting/amcsimnwus1/"
        for path, body in (
            ("workflows", {"workflowId": "wf", "sqlQuery": SQL}),
            ("schedules", {"scheduleId": "s", "workflowId": "wf", "aggregationPeriod": "Daily"}),
            ("workflowExecutions", {"workflowId": "wf", **WEEK}),
        ):
            content = json.dumps(body).encode()
            assert (await self.ask("POST", base + path, {}, body=content)).status == 200

    async def ask(self, method, path, head, *, query=b"", body=b"") -> Reply:
        merged = {**self.head, **head}
        pairs = [(name.encode(), value) for name, value in merged.items()]
        return await ask(self.app, method, path, query=query, head=pairs, body=body)


def check(path: str, reply: Reply) -> None:
    """The shapes of section 1.7, of Login with Amazon, and of S3."""
    assert reply.status in {200, 204, 302, 400, 401, 403, 404, 405, 413, 422, 429}
    kind = reply.headers.get("content-type", "")
    if reply.status < 400 or not reply.body:
        return
    assert b"Traceback" not in reply.body
    if path.startswith("/_simulator/s3/") and kind == "application/xml":
        assert re.fullmatch(rb"<\?xml.*<Error>.*</Error>", reply.body, re.DOTALL)
    elif kind.startswith("text/html"):
        assert path == "/ap/oa"
    else:
        members = json.loads(reply.body)
        assert {"code", "details"} <= members.keys() or {"error"} <= members.keys()
        assert members.get("code", "UNAUTHORIZED") in {str(reply.status), "UNAUTHORIZED"}


@pytest.mark.timeout(600)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=EXAMPLES == FEW,
    phases=[Phase.explicit, Phase.generate],
)
@given(
    st.sampled_from(routes()) | st.tuples(st.sampled_from(["GET", "PUT", "PATCH"]), text),
    st.lists(text | st.sampled_from(["wf", "s", "known"]), min_size=4, max_size=4),
    queries,
    headers,
    st.lists(bodies, min_size=1, max_size=2),
)
async def test_any_request_gets_an_answer_of_a_known_shape(route, names, query, head, contents):
    house = House()
    await house.furnish()
    known = house.simulator.world.instances["amcsimnwus1"].executions[0].id
    method, template = route
    fitting = iter(known if name == "known" else name for name in names)
    path = re.sub(
        r"\{(\w+)(:path)?\}",
        lambda found: "amcsimnwus1" if found[1] == "instance_id" else next(fitting),
        template if template.startswith("/") else f"/{template}",
    )

    for body in contents:
        reply = await house.ask(method, path, head, query=query, body=body)
        check(path, reply)
    check(path, await house.ask("GET", path, {}))
    assert (await house.ask("GET", "/_simulator/", {})).status == 200


@pytest.mark.parametrize("path", ["/amc/reporting/amcsimnwus1/workflows", "/auth/o2/token"])
async def test_a_body_that_is_too_large_is_refused_and_not_kept(path):
    house = House()

    reply = await house.ask("POST", path, {}, body=b" " * (MAX_BODY_BYTES + 1))

    assert reply.status == 413
    assert json.loads(reply.body)["code"] == "413"
