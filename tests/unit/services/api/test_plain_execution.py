"""A request for one execution is answered the same in its plain form as by FastAPI's own walk.

The usual way is asked by the same request with a charset in its Content-Type, which is not plain.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NoReturn, cast
from uuid import UUID

import pytest
from fastapi import FastAPI
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.api.app import Exposure, create_app
from services.api.authentication import TokenNames
from services.api.state import ApiState
from shared.db.acceptance import NewExecution, RememberedRequest
from shared.db.instances import InstanceRef
from shared.db.workflows import Definition
from shared.domain.claims import DeclaredParameter
from shared.domain.ids import AccountKey, InstanceKey
from shared.intake.idempotency import Once
from shared.intake.intake import Intake

WORKFLOW = UUID("01900000-0000-7000-8000-000000000001")
GOOD = b'{"instance_id": "amcone"}'
LIMIT = 10_000

Message = dict[str, Any]
Head = tuple[bytes, bytes]


@dataclass
class Known:
    """One token, one workflow, one instance; a store that takes everything."""

    stored: list[tuple[NewExecution, str, str]] = field(default_factory=list)
    keys: dict[tuple[str, str, str], RememberedRequest] = field(default_factory=dict)

    async def name_of(self, token_sha256: bytes) -> str | None:
        return "tester"

    async def definitions(self, workflow_ids: Collection[UUID]) -> Mapping[UUID, Definition]:
        optional = DeclaredParameter("may", "STRING", "x", None)
        return {WORKFLOW: Definition(WORKFLOW, "wf_x_1", (optional,))}

    async def references(self, amc_instance_ids: Collection[str]) -> Mapping[str, InstanceRef]:
        return {"amcone": InstanceRef(InstanceKey(3), AccountKey(4))}

    async def find(self, owner: str, scope: str, key: str) -> RememberedRequest | None:
        return self.keys.get((owner, scope, key))

    async def accept(
        self,
        executions: Sequence[NewExecution],
        *,
        owner: str,
        request_id: str,
        remember: RememberedRequest | None = None,
    ) -> None:
        self.stored.extend((each, owner, request_id) for each in executions)
        if remember is not None:
            self.keys[remember.owner, remember.scope, remember.key] = remember

    def soon(self, instance_ids: Collection[int]) -> None:
        pass

    async def original(self, execution_id: UUID) -> NoReturn:
        raise NotImplementedError

    def forget(self) -> None:
        self.stored.clear()
        self.keys.clear()


def app_over(known: Known) -> FastAPI:
    intake = Intake(
        workflows=known,
        instances=known,
        originals=known,
        store=known,
        admitter=known,
        once=Once(known),
        clock=lambda: datetime(2025, 7, 30, tzinfo=UTC),
    )
    state = SimpleNamespace(intake=intake, token_names=TokenNames(known, 60))
    return create_app(cast("ApiState", state), Exposure(max_body_bytes=LIMIT))


KNOWN = Known()
APP = app_over(KNOWN)


@dataclass(frozen=True)
class Asked:
    """A POST as a client may send it."""

    body: bytes = GOOD
    workflow: str = f"wf_{WORKFLOW.hex}"
    query: bytes = b""
    heads: tuple[Head, ...] = ()
    pieces: int = 1
    hangs_up: bool = False

    def messages(self) -> Iterator[Message]:
        size = max(1, -(-len(self.body) // self.pieces))
        parts = [self.body[at : at + size] for at in range(0, len(self.body), size)] or [b""]
        for number, part in enumerate(parts, 1):
            more = self.hangs_up or number < len(parts)
            yield {"type": "http.request", "body": part, "more_body": more}
        while True:
            yield {"type": "http.disconnect"}

    async def of(self, app: FastAPI, content_type: bytes) -> tuple[int, list[Head], bytes]:
        """Status, headers and body of the answer."""
        path, incoming = f"/api/v1/workflows/{self.workflow}/executions", self.messages()
        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "http_version": "1.1",
            "server": ("api.test", 80),
            "path": path,
            "query_string": self.query,
            "headers": [
                (b"authorization", b"Bearer amc_sk_test"),
                (b"x-request-id", b"r-1"),
                (b"content-type", content_type),
                *self.heads,
            ],
        }
        sent: list[Message] = []

        async def receive() -> Message:
            return next(incoming)

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent)
        return sent[0]["status"], sent[0]["headers"], body


async def found(asked: Asked, content_type: bytes) -> list[object]:
    """What comes of asking twice: both answers and what was stored, new ids set to zero."""
    KNOWN.forget()
    answers = [await asked.of(APP, content_type) for _ in range(2)]
    told = repr(answers)
    for number, (execution, _, _) in enumerate(KNOWN.stored):
        told = told.replace(execution.id.hex, f"id {number}")
    rows = [(replace(each, id=UUID(int=0)), *asker) for each, *asker in KNOWN.stored]
    return [told, rows, list(KNOWN.keys)]


ODD = st.sampled_from(
    [None, True, 0, 1, 5, 9, 10, -1, 5.0, 5.5, "5", " 5", 1e400, 10**400, [], {}, "", "\x00", "é"]
)
TEXT = st.text(max_size=8) | st.sampled_from(["\ud800", "CSV", "PARQUET", "ALL", "EXPLICIT"])
PAIRS = st.dictionaries(st.just("may") | TEXT, TEXT, max_size=3)
MEMBERS: dict[str, st.SearchStrategy[object]] = {
    "time_window": st.none()
    | st.just({"start": "2025-07-01T00:00:00Z", "end": "2025-07-08T00:00:00Z"})
    | st.fixed_dictionaries({}, optional={"type": TEXT, "start": TEXT, "time_zone": TEXT}),
    "parameters": PAIRS | st.just({"may": "1"}),
    "output_format": st.sampled_from(["CSV", "PARQUET", "csv", "XML"]),
    "priority": st.integers(-2, 12),
    "deadline_seconds": st.integers(59, 62) | st.none(),
    "queue_timeout_seconds": st.integers(0, 3) | st.none(),
    "tags": PAIRS,
}
ODD_MEMBERS = {name: good | ODD for name, good in MEMBERS.items()}
SOUND = st.fixed_dictionaries({"instance_id": st.just("amcone")}, optional=MEMBERS)
ANY = ODD | st.fixed_dictionaries(
    {}, optional={**ODD_MEMBERS, "instance_id": st.just("amctwo") | ODD, "more": ODD}
)
TEXTS = st.builds(json.dumps, SOUND | ANY, ensure_ascii=st.booleans())
BODIES = (
    st.builds(str.encode, TEXTS, st.sampled_from(["utf-8-sig", "utf-16"]), st.just("replace"))
    | st.builds(lambda text, n: text[:n].encode("utf-8", "replace"), TEXTS, st.integers(0, 999))
    | st.binary(max_size=20)
)
KEYS = st.sampled_from([b"k", b"k" * 255, b"k" * 256, b"", b"k k", b"k\n", b"\xe9", b"!~"])
ASKED = st.builds(Asked, body=st.builds(lambda body: json.dumps(body).encode(), SOUND)) | st.builds(
    Asked,
    body=BODIES,
    workflow=st.sampled_from([f"wf_{WORKFLOW.hex}", str(WORKFLOW), "wf_1", UUID(int=7).hex]),
    query=st.sampled_from([b"", b"priority=1", b"%ff=&&"]),
    heads=st.lists(st.tuples(st.just(b"idempotency-key"), KEYS), max_size=2).map(tuple),
    pieces=st.integers(1, 3),
    hangs_up=st.sampled_from([False] * 9 + [True]),
)


@settings(max_examples=150, deadline=None)
@given(asked=ASKED)
@example(asked=Asked())
@example(asked=Asked(heads=((b"idempotency-key", b"k"),)))
@example(asked=Asked(heads=((b"idempotency-key", b"k"), (b"idempotency-key", b"k k"))))
@example(asked=Asked(heads=((b"idempotency-key", b"k" * 256),)))
@example(asked=Asked(heads=((b"idempotency-key", b""),)))
@example(asked=Asked(heads=((b"content-type", b"text/plain"),)))
@example(asked=Asked(heads=((b"content-length", b"10001"),)))
@example(asked=Asked(body=b""))
@example(asked=Asked(body=b" " * LIMIT + GOOD, pieces=4))
@example(asked=Asked(body=b"[" * 9_999))
@example(
    asked=Asked(body=b'{"priority": %b, "priority": 5, "instance_id": "amcone"}' % (b"9" * 5_000))
)
@example(asked=Asked(body=b'{"priority": NaN, "instance_id": "amcone"}'))
@example(asked=Asked(pieces=2, hangs_up=True))
async def test_the_plain_form_changes_no_answer(asked: Asked) -> None:
    plain = await found(asked, b"application/json")

    assert plain == await found(asked, b"application/json; charset=utf-8")


@pytest.fixture
def no_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever goes FastAPI's way over dependencies and parameters fails."""

    async def solve_dependencies(**_: object) -> NoReturn:
        raise NotImplementedError

    monkeypatch.setattr("fastapi.routing.solve_dependencies", solve_dependencies)


@pytest.mark.usefixtures("no_walk")
@pytest.mark.parametrize("heads", [(), ((b"idempotency-key", b"k"),)])
async def test_a_good_request_is_answered_without_a_walk_over_parameters(
    heads: tuple[Head, ...],
) -> None:
    KNOWN.forget()

    status, _, _ = await Asked(heads=heads).of(APP, b"application/json")

    assert status == 202
    assert [asker for _, *asker in KNOWN.stored] == [["tester", "r-1"]]


@pytest.mark.usefixtures("no_walk")
@pytest.mark.parametrize(
    ("asked", "content_type"),
    [
        (Asked(), b"application/json; charset=utf-8"),
        (Asked(), b"text/plain"),
        (Asked(body=b"{}"), b"application/json"),
        (Asked(heads=((b"idempotency-key", b"k k"),)), b"application/json"),
    ],
)
async def test_whatever_is_not_plain_is_left_to_fastapi(asked: Asked, content_type: bytes) -> None:
    with pytest.raises(NotImplementedError):
        await asked.of(APP, content_type)
