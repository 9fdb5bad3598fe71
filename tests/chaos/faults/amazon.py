"""Faults of Amazon: what it answers, what it does without answering, and the way to it."""

import threading
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import ClassVar

import httpx

from deploy.local.owned import wait_until
from tests.chaos.books import Span
from tests.chaos.faults.fault import Fault, Scene
from tests.chaos.read_simulator import journal_end

CREATE = r"workflowExecutions$"
_CALLS = r"^/amc/reporting/"
FILES = r"^/_simulator/s3/"
_LOGIN = r"^/auth/o2/token"
_PATIENCE_SECONDS = 10.0
"""For calls that can be struck; another fault may hold them back."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests of one kind that are struck."""

    fault: str
    path: str = _CALLS
    method: str | None = None
    probability: float = 0.3
    count: int = 12

    def body(self) -> dict[str, object]:
        match = {"path_regex": self.path, **({"method": self.method} if self.method else {})}
        return {
            "fault": self.fault,
            "match": match,
            "probability": self.probability,
            "count": self.count,
        }


class Answers(Fault):
    """Amazon answers as some rules say, until they are used up or the round's faults end."""

    rules: ClassVar[tuple[Rule, ...]] = ()

    def begin(self, scene: Scene) -> None:
        self._since = journal_end(scene.town.simulator)
        for rule in self.rules:
            scene.town.simulator.tell("faults", rule.body())
        self.provoke(scene)
        wait_until(lambda: self._struck(scene) > 0, seconds=_PATIENCE_SECONDS)

    def provoke(self, scene: Scene) -> None:
        """What makes the calls come that are to be struck, if they do not come by themselves."""

    def count(self, scene: Scene) -> None:
        self.strikes = self._struck(scene)

    def _struck(self, scene: Scene) -> int:
        threading.Event().wait(0.2)
        ours = {rule.fault for rule in self.rules}
        entries = scene.town.simulator.look("journal", after=self._since)["entries"]
        return sum(entry["fault"] in ours for entry in entries)


class Throttled(Answers):
    """429 in the three forms that were seen."""

    sentence = "AMC answers 429 in three forms"
    rules = tuple(Rule(kind, probability=0.15) for kind in ("429", "429-message", "429-html"))


class ThrottledOddly(Answers):
    """429 whose Retry-After is a date, nonsense, or not there."""

    sentence = "AMC answers 429 with a date, nonsense or nothing to wait for"
    rules = (Rule("429", probability=0.3, count=12),)

    def begin(self, scene: Scene) -> None:
        soon = formatdate(time.time() + 2, usegmt=True)
        told = self.rng.choice((soon, "soon", "", "-1", "1.5"))
        scene.town.simulator.switch(retry_after=told)
        self.detail = f"Retry-After={told or 'none'}".replace(" ", "_")
        super().begin(scene)

    def end(self, scene: Scene) -> None:
        scene.town.simulator.switch(retry_after="1")


class FullAtAmazon(Fault):
    """AMC takes fewer executions at once than we were told, and refuses the rest with 429."""

    sentence = "AMC answers 429 because its own limit of executions is lower than ours"

    def begin(self, scene: Scene) -> None:
        self._since, self._before = time.time(), self._refused(scene)
        scene.town.simulator.switch(concurrency_mode="refuse", max_concurrent_executions=1)
        wait_until(lambda: self._refused(scene) > self._before, seconds=_PATIENCE_SECONDS)

    def end(self, scene: Scene) -> None:
        scene.town.simulator.switch(concurrency_mode="queue", max_concurrent_executions=100)
        self.strikes = self._refused(scene) - self._before
        now = time.time()
        scene.circumstances.refusing.append(Span(self._since, now))
        scene.circumstances.excused_idleness.append(Span(self._since, now + 5, "full at AMC"))

    def _refused(self, scene: Scene) -> int:
        threading.Event().wait(0.2)
        instances = scene.town.simulator.look("stats")["instances"]
        return sum(instances[place.id]["throttled"]["concurrency"] for place in scene.places)


class ServerErrors(Answers):
    """5xx for any call."""

    sentence = "AMC answers 500, 502, 503, 504"
    rules = tuple(Rule(kind, probability=0.1, count=6) for kind in ("500", "502", "503", "504"))


class Slow(Answers):
    """Some answers take longer than our patience, some nearly as long."""

    sentence = "AMC answers slowly, or too late"
    rules = (
        Rule("slow:1.5", probability=0.2),
        Rule("slow:4", probability=0.15, count=5),
    )


class CutAnswers(Answers):
    """Answers end in the middle of their body, or cannot be read."""

    sentence = "AMC's answers cut in the middle of the body"
    rules = (
        Rule("truncate", probability=0.15),
        Rule("malformed-json", probability=0.1, count=6),
        Rule("empty-body", probability=0.1, count=6),
        Rule("wrong-length", probability=0.1, count=6),
    )


class AnswerLost(Answers):
    """The create is done, and the connection is cut before its answer."""

    sentence = "the answer to a create lost"
    rules = (
        Rule("drop-after", CREATE, "POST", 0.4, 8),
        Rule("drop-before", CREATE, "POST", 0.2, 4),
    )


class LateCreation(Answers):
    """No answer, and AMC makes the execution some seconds later, within the settle time."""

    sentence = "the execution created seconds later, within the settle time"
    aftermath_seconds = 3
    rules = (
        Rule("late-create:2", CREATE, "POST", 0.3, 4),
        Rule("late-create-drop:2.5", CREATE, "POST", 0.3, 4),
    )


class CreationTooLate(Answers):
    """AMC makes the execution when its attempt was given up: it is recognised and cancelled."""

    sentence = "the execution created after the settle time"
    aftermath_seconds = 10
    rules = (Rule("late-create:10", CREATE, "POST", 0.5, 3),)

    def count(self, scene: Scene) -> None:
        super().count(scene)
        scene.circumstances.strays_made += self.strikes


class SpoiledFiles(Answers):
    """Result files come cut, corrupt, too short for their length, or not at all."""

    sentence = "result files corrupt, truncated, of a wrong length, refused"
    # Corrupt once only: the same wrong bytes a second time are what AMC wrote, for all we can know.
    # Nor can a short file be told whose length says that it is short: see "What is not promised".
    rules = (
        Rule("corrupt", FILES, None, 0.5, 1),
        *(
            Rule(kind, FILES, None, 0.25, 5)
            for kind in ("truncate", "wrong-length", "403", "503", "drop-after")
        ),
    )


class TokensExpire(Fault):
    """Every access token is dead, again and again."""

    sentence = "access tokens expire in the middle of a run"

    def begin(self, scene: Scene) -> None:
        for _ in range(3):
            scene.town.simulator.tell("expire-tokens")
            self.strikes += 1
            threading.Event().wait(self.rng.uniform(0.5, 2))


class LoginFails(Answers):
    """Login with Amazon is out of order while tokens expire."""

    sentence = "refresh of a token fails, is slow, cannot be read"
    rules = (
        Rule("503", _LOGIN, None, 0.6, 3),
        Rule("malformed-json", _LOGIN, None, 0.5, 2),
        Rule("slow:2", _LOGIN, None, 0.8, 2),
    )

    def provoke(self, scene: Scene) -> None:
        scene.town.simulator.tell("expire-tokens")


class GrantRevoked(Fault):
    """A user takes back the consent, and gives it again later: work waits, nothing is lost."""

    sentence = "grant revoked, and given again"

    def begin(self, scene: Scene) -> None:
        self._place = self.rng.choice(list(scene.places))
        self._since = time.time()
        scene.town.simulator.tell("revoke", {"refresh_token": self._place.refresh_token})
        self.strikes += 1

    def end(self, scene: Scene) -> None:
        fresh = f"{self._place.refresh_token}-again"
        scene.town.simulator.tell("refresh-tokens", {"refresh_token": fresh})
        path = f"/credentials/{self._place.credential_id}/refresh_token"
        _insist(scene, path, {"refresh_token": fresh})
        excused = Span(self._since, time.time() + 5, "credential broken")
        scene.circumstances.excused_idleness.append(excused)


class ListsLag(Fault):
    """Lists of executions show what was true two seconds ago."""

    sentence = "lists that lag"

    def begin(self, scene: Scene) -> None:
        scene.town.simulator.switch(list_lag_seconds=2)
        self.strikes += 1
        threading.Event().wait(4)

    def end(self, scene: Scene) -> None:
        scene.town.simulator.switch(list_lag_seconds=0)


class AmazonCut(Fault):
    """All connections to Amazon are reset, several times."""

    sentence = "connections to AMC cut"

    def begin(self, scene: Scene) -> None:
        proxy = scene.town.proxy("amazon")
        for _ in range(self.rng.randint(2, 5)):
            before = proxy.cut
            proxy.cut_all()
            self.strikes += proxy.cut - before
            threading.Event().wait(self.rng.uniform(0.1, 1))


class AmazonStalled(Fault):
    """No byte passes to or from Amazon; what was held is lost with its connection."""

    sentence = "connections to AMC stalled"

    def begin(self, scene: Scene) -> None:
        self._since, self._before = time.time(), scene.town.proxy("amazon").held
        scene.town.proxy("amazon").stall()
        threading.Event().wait(1)

    def end(self, scene: Scene) -> None:
        proxy = scene.town.proxy("amazon")
        self.strikes = proxy.held - self._before
        proxy.flow(release=False)


class AmazonRefuses(Fault):
    """Nobody listens at Amazon's address."""

    sentence = "AMC refuses connections"

    def begin(self, scene: Scene) -> None:
        proxy = scene.town.proxy("amazon")
        before = proxy.cut
        proxy.refuse()
        self.strikes = max(1, proxy.cut - before)

    def end(self, scene: Scene) -> None:
        scene.town.proxy("amazon").listen()


def _insist(scene: Scene, path: str, body: object) -> None:
    """A person who repeats it until it is done."""
    deadline = time.monotonic() + 120
    turn = 0
    urls = scene.town.stack.api_urls
    while True:
        turn += 1
        try:
            answer = httpx.put(
                f"{urls[turn % len(urls)]}/api/v1{path}",
                json=body,
                headers=scene.town.headers,
                timeout=10,
                trust_env=False,
            )
        except httpx.TransportError:
            pass
        else:
            if answer.is_success:
                return
        assert time.monotonic() < deadline, f"PUT {path} was never answered well"
        threading.Event().wait(0.3)
