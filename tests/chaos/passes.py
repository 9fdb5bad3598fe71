"""Which work comes by which stop points: the passes of the sweep."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from uuid import uuid4

import aio_pika
import httpx

from deploy.local.owned import wait_until
from shared.messaging.envelope import DEAD_QUEUE_HEADER, DEAD_REASON_HEADER
from shared.messaging.topology import Topology
from shared.observability.stop_points import StopPoint as P
from tests.chaos.faults.amazon import CREATE, FILES, Rule
from tests.chaos.faults.fault import Scene
from tests.chaos.sweep import CANCELLED, FRESH, LONG, PARTS, SHORT, Pass, Place, Provocation, asked

_CANCEL = r"workflowExecutions/"
_SEEN_SECONDS = 30.0


def _at(*points: P) -> tuple[Place, ...]:
    return tuple(map(Place, points))


# --- what makes the work come by ----------------------------------------------------------------


def _rules(*rules: Rule) -> Provocation:
    def provoke(scene: Scene) -> None:
        for rule in rules:
            scene.town.simulator.tell("faults", rule.body())

    return provoke


def _tokens_expire(scene: Scene) -> None:
    for _ in range(3):
        threading.Event().wait(1)
        scene.town.simulator.tell("expire-tokens")


def _compare(scene: Scene) -> None:
    """An operator asks what AMC has and no row knows."""
    body = {"instance_id": scene.places[0].id}
    _operate(scene, "/admin/reconciliations", body, lambda answer: answer.is_success)


def _park_and_redrive(scene: Scene) -> None:
    """A message that lacks what it needs is parked, and sent again by a person."""
    queue = Topology().submit_execution.name
    message_id = str(uuid4())
    message = aio_pika.Message(
        b"{}", type="submit_execution.v1", message_id=message_id, delivery_mode=2
    )
    asyncio.run(_publish(scene, message, queue))
    found: list[int] = []

    def is_recorded() -> bool:
        rows = scene.town.sql("select id from dead_letters where message_id = $1", message_id)
        found.extend(row["id"] for row in rows)
        return bool(rows)

    assert wait_until(is_recorded, seconds=_SEEN_SECONDS), "the parked message was not recorded"
    # The first answer may be lost with the process that was struck; the second then says 409.
    path = f"/admin/parked/{found[0]}/redrive"
    _operate(scene, path, None, lambda answer: answer.is_success or answer.status_code == 409)


def _park_a_download(scene: Scene) -> None:
    """The command of an execution whose files do not come is in its dead-letter queue."""
    found: list[str] = []

    def is_loading() -> bool:
        rows = scene.town.sql(
            "select e.id::text from workflow_executions e"
            " join amc_instances i on i.id = e.instance_id"
            " where i.amc_instance_id = any($1) and e.state = 'downloading'",
            [place.id for place in scene.places],
        )
        found.extend(row["id"] for row in rows)
        return bool(rows)

    assert wait_until(is_loading, seconds=_SEEN_SECONDS), "nothing was being loaded"
    queue = Topology().download_result
    message = aio_pika.Message(
        json.dumps({"execution_id": found[0]}).encode(),
        type="download_result.v1",
        message_id=str(uuid4()),
        delivery_mode=2,
        headers={DEAD_REASON_HEADER: "handler_failed", DEAD_QUEUE_HEADER: queue.name},
    )
    asyncio.run(_publish(scene, message, queue.dead or ""))


def _move_everything(scene: Scene) -> None:
    _rules(Rule("503", FILES, None, 1, 40), _LOST_ANSWERS)(scene)
    _compare(scene)
    _park_a_download(scene)
    _park_and_redrive(scene)


async def _publish(scene: Scene, message: aio_pika.Message, queue: str) -> None:
    async with await aio_pika.connect(scene.town.rabbitmq.url, timeout=5) as connection:
        channel = await connection.channel(on_return_raises=True)
        await channel.default_exchange.publish(message, queue, timeout=5)


def _operate(
    scene: Scene, path: str, body: object, is_done: Callable[[httpx.Response], bool]
) -> None:
    """A person who repeats it until it is done."""
    deadline, urls, turn = time.monotonic() + _SEEN_SECONDS, scene.town.stack.api_urls, 0
    while True:
        turn += 1
        try:
            answer = httpx.post(
                f"{urls[turn % len(urls)]}/api/v1{path}",
                json=body,
                headers=scene.town.headers,
                timeout=6,
                trust_env=False,
            )
        except httpx.TransportError as error:
            said = repr(error)
        else:
            if is_done(answer):
                return
            said = f"{answer.status_code} {answer.text:.300}"
        assert time.monotonic() < deadline, f"POST {path}: {said}"
        threading.Event().wait(0.3)


# --- the passes ---------------------------------------------------------------------------------

_MARKED_LATE = Rule("late-create:10", CREATE, "POST", 1, 2)
_LOST_ANSWERS = Rule("drop-after", CREATE, "POST", 1, 6)

KILLED = (
    Pass(
        "submitting",
        _at(
            P.ACCEPT_BEFORE_COMMIT, P.ACCEPT_COMMITTED, P.ADMIT_COMMITTED,
            P.INTAKE_ACCEPTED, P.INTAKE_ANSWERED,
            P.SUBMIT_CLAIMED, P.SUBMIT_WORKFLOW_CREATED, P.SUBMIT_WORKFLOW_KNOWN,
            P.SUBMIT_PERMIT_BOOKED, P.SUBMIT_INTENDED, P.SUBMIT_SENT, P.SUBMIT_ANSWERED,
            P.SUBMIT_REFUSED, P.SUBMIT_BOUND,
            P.RESCUE_COMMITTED,
        ),
        (
            *asked(SHORT, 12), *asked(PARTS, 4), *asked(FRESH, 2, first=2),
            *asked(SHORT, 4, first=0.7, every=1, door="queue"),
        ),
        provoke=_rules(Rule("429", CREATE, "POST", 1, 2)),
    ),
    Pass(
        "moving",
        _at(
            P.RECONCILE_CLAIMED, P.RECONCILE_LISTED, P.RECONCILE_BEFORE_COMMIT,
            P.RECONCILE_RECORDED,
            P.RELAY_CLAIMED, P.RELAY_CONFIRMED, P.TIMER_FIRED, P.CONSUMER_RECEIVED,
            P.CONSUMER_PARKED, P.TELL_READ, P.TELL_PUBLISHED, P.DEAD_LETTER_RECORDED,
            P.DEAD_LETTER_ENDED, P.REDRIVE_COMMITTED, P.COMPARE_CLAIMED, P.COMPARE_LISTED,
            P.COMPARE_RECORDED,
        ),
        (*asked(SHORT, 8), *asked(PARTS, 8)),
        provoke=_move_everything,
        expected_errors=frozenset({"handler_failed"}),
    ),
    Pass(
        "cancelling",
        _at(P.REFRESH_CLAIMED, P.REFRESH_ANSWERED, P.REFRESH_STORED),
        # Who waits for a token when it is cancelled never gets to AMC, so others follow.
        (*asked(CANCELLED, 28, every=1.5, cancel_after=3), *asked(SHORT, 4)),
        lines=(_at(P.CANCEL_REQUESTED, P.CANCEL_READ, P.CANCEL_ANSWERED, P.CANCEL_RECORDED),),
        provoke=_tokens_expire,
    ),
    Pass(
        "straying",
        _at(
            P.STRAY_ANSWERED, P.CONSUMER_POSTPONED, P.TIMER_TAKEN, P.TIMER_DONE,
            P.POLL_CLAIMED, P.POLL_LISTED, P.POLL_OBSERVED, P.POLL_FINISHED, P.DOWNLOAD_CLAIMED,
            P.DOWNLOAD_ACKNOWLEDGED, P.DOWNLOAD_SPOOLED, P.DOWNLOAD_COPYING,
            P.DOWNLOAD_BEFORE_COMMIT, P.DOWNLOAD_COMMITTED,
        ),
        # The first two creates are those that come late.
        (*asked(LONG, 2, every=3), *asked(PARTS, 12, first=5)),
        provoke=_rules(_MARKED_LATE, Rule("503", _CANCEL, "PUT", 1, 12)),
        aftermath_seconds=4,
        strays=2,
    ),
)  # fmt: skip

_SUPPLY = asked(PARTS, 80, every=1.5)
"""Work for longer than the lines of a pass need; no more is asked for than they do."""
_LINES_SECONDS = 115.0

FROZEN = (
    Pass(
        "zombies submitting",
        (),
        (*asked(FRESH, 2, first=0.3), *_SUPPLY),
        action="stop",
        lines=(
            (
                Place(P.SUBMIT_WORKFLOW_CREATED), Place(P.SUBMIT_CLAIMED),
                Place(P.SUBMIT_WORKFLOW_KNOWN), Place(P.SUBMIT_ANSWERED),
                Place(P.SUBMIT_REFUSED, provoke=_rules(Rule("429", CREATE, "POST", 1, 1))),
                Place(P.COMPARE_CLAIMED, provoke=_compare),
                Place(P.COMPARE_LISTED, provoke=_compare),
            ),
            _at(P.POLL_CLAIMED, P.POLL_LISTED),
            _at(P.DOWNLOAD_CLAIMED, P.DOWNLOAD_ACKNOWLEDGED, P.DOWNLOAD_SPOOLED),
            (Place(P.RELAY_CLAIMED, "api"),),
            (Place(P.REFRESH_CLAIMED, provoke=_tokens_expire),),
        ),
        patience_seconds=_LINES_SECONDS,
    ),
    Pass(
        "zombies settling",
        (),
        _SUPPLY,
        action="stop",
        lines=(
            _at(
                P.SUBMIT_PERMIT_BOOKED, P.SUBMIT_INTENDED, P.SUBMIT_SENT,
                P.RECONCILE_CLAIMED, P.RECONCILE_LISTED, P.RECONCILE_BEFORE_COMMIT,
            ),
            _at(P.POLL_OBSERVED),
            _at(P.DOWNLOAD_COPYING, P.DOWNLOAD_BEFORE_COMMIT),
            (Place(P.RELAY_CONFIRMED, "api"),),
            (Place(P.REFRESH_ANSWERED, provoke=_tokens_expire),),
        ),
        provoke=_rules(Rule("drop-after", CREATE, "POST", 1, 80)),
        patience_seconds=_LINES_SECONDS,
    ),
)  # fmt: skip

ALONE = tuple(
    Pass(f"alone {point}", _at(point), asked(PARTS, 1))
    for point in (
        P.ACCEPT_COMMITTED, P.ADMIT_COMMITTED, P.SUBMIT_CLAIMED, P.SUBMIT_INTENDED,
        P.SUBMIT_ANSWERED, P.POLL_LISTED, P.DOWNLOAD_SPOOLED, P.DOWNLOAD_BEFORE_COMMIT,
    )
)  # fmt: skip
"""One execution and one kill: how long until the struck work moves on. Not part of the sweep."""

SWEEP = tuple(each.name for each in (*KILLED, *FROZEN))
PASSES = {each.name: each for each in (*KILLED, *FROZEN, *ALONE)}
