"""Places between two steps where tests may end or freeze a process: `reach(StopPoint.X)`.

Off unless a folder is watched (AMCFLOW_STOP_POINTS_FOLDER, for tests only); then each place looks
for a file of its name in `armed/`, which holds the name of a signal: kill, stop or term. Who finds
one takes it by renaming it into `struck/`, with its process id, and only then sends the signal to
itself, so exactly one process is struck, in exactly one place, and the test can see which. A file
named `<point>@<service>` waits for a process of that service; files of that name in `reached/`
tell who came by, struck or not.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from shared.observability.logs import get_logger

log = get_logger()

ARMED: Final = "armed"
STRUCK: Final = "struck"
REACHED: Final = "reached"


class StopPoint(StrEnum):
    """Where a process may be struck; each sentence tells what is so at that moment."""

    ACCEPT_BEFORE_COMMIT = "accept.before_commit"
    """A request's rows are written, but not committed, and nobody was answered."""
    ACCEPT_COMMITTED = "accept.committed"
    """A request's rows are committed; nobody was answered and nothing was admitted."""
    ADMIT_COMMITTED = "admit.committed"
    """Executions were admitted and their commands are in the outbox, unpublished."""
    RELAY_CLAIMED = "relay.claimed"
    """Rows of the outbox are leased to this process; none of them was published."""
    RELAY_CONFIRMED = "relay.confirmed"
    """RabbitMQ has the messages; their rows are still in the outbox."""
    CONSUMER_RECEIVED = "consumer.received"
    """A message was delivered; its handler has not begun."""
    CONSUMER_PARKED = "consumer.parked"
    """A message is in its dead-letter queue and still unacknowledged in its own."""
    CONSUMER_POSTPONED = "consumer.postponed"
    """A timer holds a message that is still unacknowledged."""
    SUBMIT_CLAIMED = "submit.claimed"
    """The submitter holds the execution; nothing was sent."""
    SUBMIT_WORKFLOW_CREATED = "submit.workflow_created"
    """AMC has the workflow, and no row says so yet."""
    SUBMIT_WORKFLOW_KNOWN = "submit.workflow_known"
    """A row says that AMC has the workflow; no turn is booked."""
    SUBMIT_PERMIT_BOOKED = "submit.permit_booked"
    """A turn in the rate budget is booked; the intent is not committed."""
    SUBMIT_INTENDED = "submit.intended"
    """The intent is committed; no byte of the create has left."""
    SUBMIT_SENT = "submit.sent"
    """The create has left for AMC, whose answer was not read."""
    SUBMIT_ANSWERED = "submit.answered"
    """AMC has named the new execution's id; no row says so."""
    SUBMIT_REFUSED = "submit.refused"
    """It is known that AMC has made nothing of this attempt; no row says so."""
    SUBMIT_BOUND = "submit.bound"
    """The execution is `pending`; its command is not acknowledged."""
    CANCEL_REQUESTED = "cancel.requested"
    """A user's wish to cancel is committed; the user was not answered."""
    CANCEL_READ = "cancel.read"
    """It is known what to cancel; AMC was not asked."""
    CANCEL_ANSWERED = "cancel.answered"
    """AMC was asked to cancel and has answered; nothing is recorded."""
    CANCEL_RECORDED = "cancel.recorded"
    """That AMC was asked is recorded; the command is not acknowledged."""
    STRAY_ANSWERED = "stray.answered"
    """AMC was asked to cancel a stray; its record does not say so."""
    RECONCILE_CLAIMED = "reconcile.claimed"
    """The reconciler holds the doubt; AMC's list was not read."""
    RECONCILE_LISTED = "reconcile.listed"
    """AMC's list was read; nothing was decided."""
    RECONCILE_BEFORE_COMMIT = "reconcile.before_commit"
    """An execution at AMC is adopted, but not committed: its row and its fingerprint are locked."""
    RECONCILE_RECORDED = "reconcile.recorded"
    """The doubt is settled; the command is not acknowledged."""
    COMPARE_CLAIMED = "compare.claimed"
    """A worker holds the comparison of an instance; AMC's list was not read."""
    COMPARE_LISTED = "compare.listed"
    """AMC's list was read; nothing of the comparison is stored."""
    COMPARE_RECORDED = "compare.recorded"
    """What no row owns is stored; the command is not acknowledged."""
    POLL_CLAIMED = "poll.claimed"
    """The poller holds the instance; AMC was not asked."""
    POLL_LISTED = "poll.listed"
    """A page of AMC's list was read; nothing of it is recorded."""
    POLL_OBSERVED = "poll.observed"
    """What a page says is recorded and freed slots are handed on; no next look is armed."""
    POLL_FINISHED = "poll.finished"
    """The next look is armed; the command is not acknowledged."""
    DOWNLOAD_CLAIMED = "download.claimed"
    """The downloader holds the execution; the command is not acknowledged."""
    DOWNLOAD_ACKNOWLEDGED = "download.acknowledged"
    """The broker has forgotten the command; nothing was fetched."""
    DOWNLOAD_SPOOLED = "download.spooled"
    """All parts are on this machine; no row is written."""
    DOWNLOAD_COPYING = "download.copying"
    """COPY has taken some rows, and more are to come or to be counted."""
    DOWNLOAD_BEFORE_COMMIT = "download.before_commit"
    """All rows and `completed` are written, but not committed."""
    DOWNLOAD_COMMITTED = "download.committed"
    """The execution is `completed`; the workflow's view may be behind."""
    REFRESH_CLAIMED = "refresh.claimed"
    """token_refresher holds the credential; Amazon was not asked."""
    REFRESH_ANSWERED = "refresh.answered"
    """Amazon has given new tokens; the old ones are still the stored ones."""
    REFRESH_STORED = "refresh.stored"
    """The new tokens are stored; the command is not acknowledged."""
    TIMER_FIRED = "timer.fired"
    """Commands of due timers are committed to the outbox, unpublished."""
    TIMER_TAKEN = "timer.taken"
    """A timer has moved on by its guard; its work is not done."""
    TIMER_DONE = "timer.done"
    """A timer's work is done; it is not disarmed."""
    INTAKE_ACCEPTED = "intake.accepted"
    """A request from the queue is accepted; its sender was not answered."""
    INTAKE_ANSWERED = "intake.answered"
    """The sender was answered; its request is not acknowledged."""
    TELL_READ = "tell.read"
    """Events were read; none of them was published."""
    TELL_PUBLISHED = "tell.published"
    """Events were published; the position is the old one."""
    RESCUE_COMMITTED = "rescue.committed"
    """Abandoned work was brought back; its commands are in the outbox, unpublished."""
    DEAD_LETTER_RECORDED = "dead_letter.recorded"
    """A parked message is recorded; the execution it was about goes on."""
    DEAD_LETTER_ENDED = "dead_letter.ended"
    """The execution of a parked message has ended; the message is not acknowledged."""
    REDRIVE_COMMITTED = "redrive.committed"
    """A parked message is in the outbox again, unpublished; the person was not answered."""


_SIGNALS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "term": signal.SIGTERM}


@dataclass(slots=True)
class _Watch:
    """What this process looks at; without a folder, nothing."""

    folder: Path | None = None
    service: str = ""
    reached: set[StopPoint] = field(default_factory=set)


_watch: Final = _Watch()


def watch(folder: Path | None, *, service: str) -> None:
    """Look for armed stop points below this folder from now on; None switches them off."""
    _watch.folder, _watch.service, _watch.reached = folder, service, set()


def reach(point: StopPoint) -> None:
    """This process is there now. In production it does nothing and goes on."""
    if _watch.folder is not None:
        _strike(_watch.folder, point)


def reaching(point: StopPoint) -> Callable[[], None] | None:
    """For a step that is made elsewhere: what to call there, or None while switched off."""
    return None if _watch.folder is None else partial(reach, point)


def _strike(folder: Path, point: StopPoint) -> None:
    mine = f"{point}@{_watch.service}"
    if point not in _watch.reached:
        _watch.reached.add(point)
        (folder / REACHED / mine).touch()
    struck = folder / STRUCK / f"{point}.{os.getpid()}"
    for name in (mine, point):
        try:
            (folder / ARMED / name).rename(struck)
        except FileNotFoundError:
            continue
        asked = struck.read_text().strip()
        log.warning("stop_point_struck", point=point.value, signal=asked)
        os.kill(os.getpid(), _SIGNALS[asked])
        return
