"""The client of a round: asks by every door, repeats what got no answer, writes down all it hears.

It knows nothing of the services but their public doors, and believes only what it was told: an
answer, or a confirm of the broker. Without an answer it asks again under the same key.
"""

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aio_pika
import httpx
from aio_pika.abc import AbstractQueue
from aio_pika.exceptions import AMQPException

from tests.chaos.books import (
    Accepted,
    Asked,
    CancelAsked,
    ClientBook,
    LimitSet,
    ResultRead,
    Shown,
)
from tests.chaos.plan import Ask, LimitChange, Plan
from tests.chaos.town import Place, Town

GIVE_UP_SECONDS = 120.0
_ANSWER_SECONDS = 6.0
_QUEUE = "amcflow.requests"


class NoAnswer(Exception):
    """A door stayed shut longer than any client would knock."""


@dataclass(eq=False)
class Driver:
    """Carries out a plan's requests; `book` is what it was told."""

    town: Town
    plan: Plan
    places: Sequence[Place]
    workflows: Sequence[str]
    prefix: str
    """Makes the keys of this round its own."""
    may_lose_confirmed: bool
    """The broker's disk is wiped in this round: its confirm is worth nothing."""
    book: ClientBook = field(default_factory=ClientBook)
    problems: list[str] = field(default_factory=list)
    """Answers that no client should ever get."""
    enough: threading.Event = field(default_factory=threading.Event)
    """What was not asked for by then is not asked for any more."""
    _http: httpx.Client = field(init=False)
    _begun: float = field(init=False)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        limits = httpx.Limits(max_connections=100)
        self._http = httpx.Client(
            headers=self.town.headers, timeout=_ANSWER_SECONDS, trust_env=False, limits=limits
        )

    def drive(self) -> None:
        """Everything at its time, side by side; returns when all was answered."""
        self._begun = time.monotonic()
        work = [(self._ask, ask) for ask in self.plan.asks]
        changes = [(self._change_limit, change) for change in self.plan.limits]
        with ThreadPoolExecutor(len(work) + len(changes)) as pool:
            futures = [pool.submit(do, each) for do, each in (*work, *changes)]  # type: ignore[operator]  # each pair fits
        for future in futures:
            future.result()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Meanwhile what the lists show is written down, twice a second."""
        watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._stop.set()
            watcher.join(30)

    def close(self) -> None:
        self._http.close()

    # --- asking -----------------------------------------------------------------------------

    def _ask(self, ask: Ask) -> None:
        if not self._comes(ask.at):
            return
        if ask.door == "queue":
            asyncio.run(self._ask_by_queue(ask))
        else:
            self._ask_by_rest(ask)
        if ask.cancel_after is not None:
            threading.Event().wait(ask.cancel_after)
            first = next(each for each in self.book.accepted if each.key == self._key(ask))
            self._cancel(first.execution)

    def _ask_by_rest(self, ask: Ask) -> None:
        items = self._items(ask)
        if ask.door == "bulk":
            path, body = "/executions/bulk", {"items": items}
        else:
            workflow = items[0].pop("workflow_id")
            path, body = f"/workflows/{workflow}/executions", items[0]
        for time_number in range(ask.times):
            answer = self._post(path, body, {"Idempotency-Key": self._key(ask)}, turn=time_number)
            if answer.status_code != 202:
                self.problems.append(f"POST {path}: {answer.status_code} {answer.text:.300}")
                return
            told = answer.json()
            self._accepted(ask, told["items"] if ask.door == "bulk" else [told])
        self.book.asked.append(Asked(ask.door, self._key(ask), len(ask.items), is_certain=True))

    def _accepted(self, ask: Ask, items: Sequence[Mapping[str, Any]]) -> None:
        """An answer's own status is no news: a repeated request gets the first answer again."""
        now = time.time()
        for index, item in enumerate(items):
            _, instance, _ = ask.items[index]
            place = self.places[instance].id
            self.book.accepted.append(
                Accepted(item["id"], ask.door, self._key(ask), index, place, now)
            )

    async def _ask_by_queue(self, ask: Ask) -> None:
        """Until a request was answered as often as it is meant to be sent."""
        body = {"request_id": self._key(ask), "items": self._items(ask)}
        deadline = time.monotonic() + GIVE_UP_SECONDS
        confirmed, answered = False, 0
        while answered < ask.times:
            if time.monotonic() > deadline:
                raise NoAnswer(f"no answer to {body['request_id']} from the queue")
            try:
                told = await self._send_and_hear(body, ask.times)
            except (AMQPException, OSError, TimeoutError):
                await asyncio.sleep(0.5)
                continue
            confirmed = True
            for kind, answer in told:
                if kind != "executions_accepted.v1":
                    self.problems.append(f"queue {body['request_id']}: {kind} {answer}")
                    return
                self._accepted(ask, answer["items"])
                answered += 1
        certain = confirmed and (answered > 0 or not self.may_lose_confirmed)
        self.book.asked.append(Asked("queue", self._key(ask), len(ask.items), is_certain=certain))

    async def _send_and_hear(self, body: object, times: int) -> list[tuple[str, dict[str, Any]]]:
        """The answers that come in time to one sending of so many copies."""
        found: list[tuple[str, dict[str, Any]]] = []
        url = self.town.stack.found.amqp_url
        async with asyncio.timeout(20), await aio_pika.connect(url, timeout=5) as connection:
            channel = await connection.channel(on_return_raises=True)
            replies = await channel.declare_queue(exclusive=True)
            for _ in range(times):
                message = aio_pika.Message(
                    json.dumps(body).encode(), delivery_mode=2, reply_to=replies.name
                )
                await channel.default_exchange.publish(message, _QUEUE, timeout=5)
            with suppress(TimeoutError):
                await _hear(replies, times, found)
        return found

    def _items(self, ask: Ask) -> list[dict[str, Any]]:
        return [
            {
                "workflow_id": self.workflows[workflow],
                "instance_id": self.places[instance].id,
                "priority": priority,
            }
            for workflow, instance, priority in ask.items
        ]

    def _key(self, ask: Ask) -> str:
        return f"{self.prefix}-{ask.key}"

    # --- changing ---------------------------------------------------------------------------

    def _cancel(self, execution: str) -> None:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                answer = self._any_api("POST", f"/executions/{execution}/cancel", 0)
            except httpx.TransportError:
                self.book.cancels.append(CancelAsked(execution, time.time(), None))
            else:
                shown = answer.json().get("status") if answer.status_code == 202 else None
                self.book.cancels.append(
                    CancelAsked(execution, time.time(), answer.status_code, shown)
                )
                if answer.status_code < 500:
                    return
            if time.monotonic() > deadline:
                raise NoAnswer(f"no answer to the cancel of {execution}")
            threading.Event().wait(0.3)

    def _change_limit(self, change: LimitChange) -> None:
        if not self._comes(change.at):
            return
        place, asked_at = self.places[change.instance], time.time()
        body = {"max_concurrent_executions": change.limit}
        answer = self._insist("PATCH", f"/instances/{place.id}", body)
        if not answer.is_success:
            self.problems.append(f"PATCH instance: {answer.status_code} {answer.text:.300}")
        self.book.limits.append(LimitSet(place.id, change.limit, asked_at, time.time()))

    # --- reading ----------------------------------------------------------------------------

    def read_results(self, executions: Sequence[str]) -> None:
        """Rows by pages, and the whole CSV."""
        for execution in executions:
            pages: list[tuple[object, ...]] = []
            columns: tuple[tuple[str, str], ...] = ()
            query: dict[str, str] = {"limit": "150"}
            while True:
                page = self._insist("GET", f"/executions/{execution}/results", params=query).json()
                columns = tuple((each["name"], each["type"]) for each in page["columns"])
                pages += [tuple(row) for row in page["items"]]
                if not page["has_more"]:
                    break
                query["cursor"] = page["next_cursor"]
            whole = self._insist(
                "GET", f"/executions/{execution}/download", params={"format": "csv"}
            )
            self.book.results.append(ResultRead(execution, columns, tuple(pages), whole.content))

    def _watch(self) -> None:
        turn = 0
        while not self._stop.wait(0.5):
            turn += 1
            for place in self.places:
                try:
                    answer = self._any_api(
                        "GET", "/executions", turn, params={"instance_id": place.id, "limit": "200"}
                    )
                except httpx.TransportError:
                    continue
                if answer.is_success:
                    now = time.time()
                    self.book.shown += [
                        Shown(item["id"], item["status"], now) for item in answer.json()["items"]
                    ]

    # --- HTTP -------------------------------------------------------------------------------

    def _post(
        self, path: str, body: object, headers: Mapping[str, str], *, turn: int
    ) -> httpx.Response:
        return self._insist("POST", path, body, headers=headers, turn=turn)

    def _insist(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        turn: int = 0,
    ) -> httpx.Response:
        """The first answer that is not a passing trouble, from whichever API gives one."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        last = ""
        while time.monotonic() < deadline:
            turn += 1
            try:
                answer = self._any_api(
                    method, path, turn, json=body, headers=headers, params=params
                )
            except httpx.TransportError as error:
                last = repr(error)
            else:
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
                last = f"{answer.status_code} {answer.text:.300}"
            threading.Event().wait(0.3)
        raise NoAnswer(f"{method} {path}: {last}")

    def _any_api(self, method: str, path: str, turn: int, **more: Any) -> httpx.Response:
        urls = self.town.stack.api_urls
        return self._http.request(method, f"{urls[turn % len(urls)]}/api/v1{path}", **more)

    def _comes(self, at: float) -> bool:
        """Waits for this moment; False if there was enough before it."""
        return not self.enough.wait(max(0.0, self._begun + at - time.monotonic()))


async def _hear(
    replies: AbstractQueue, times: int, found: list[tuple[str, dict[str, Any]]]
) -> None:
    async with replies.iterator(timeout=10) as incoming:
        async for each in incoming:
            found.append((each.type or "", json.loads(each.body)))
            if len(found) == times:
                return
