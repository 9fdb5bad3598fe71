"""The life of a service: settings in, signals handled, work stopped in order, exit code out.

SIGTERM or SIGINT stops the taking of new work first; what is in hand ends; only then do the relay
and the books stop, so that the last messages leave. A second signal ends the process at once.
A task that fails ends the whole process: whoever supervises it starts a fresh one.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final, TypeVar

import uvloop

from shared.db.outbox import Outbox
from shared.db.pool import Database, open_database
from shared.db.timers import Timers
from shared.domain import clock
from shared.domain.errors import AmcflowError
from shared.messaging.consumer import Consumer, Refusal
from shared.messaging.envelope import ReceivedMessage
from shared.messaging.options import ConsumerOptions
from shared.messaging.publisher import Publisher
from shared.messaging.routes import Route, Work
from shared.messaging.topology import Queue, Topology, verify_at
from shared.observability.logs import configure, get_logger
from shared.observability.metrics import serve_metrics
from shared.observability.stop_points import watch
from shared.runtime.postponer import TimerPostponer
from shared.runtime.relay import OutboxRelay
from shared.settings import BrokerSettings, DatabaseSettings, LogSettings, read_settings

log = get_logger()

Job = Callable[[asyncio.Event], Awaitable[None]]

EXIT_SETTINGS: Final = 2
EXIT_FAILED: Final = 1


class WorkerSettings(LogSettings, DatabaseSettings, BrokerSettings):
    """What every process that handles messages needs."""


@dataclass(frozen=True, slots=True)
class Messenger:
    """What a process needs to write messages with its rows and to handle others'."""

    database: Database
    publisher: Publisher
    relay: OutboxRelay
    timers: Timers
    topology: Topology
    settings: WorkerSettings

    def consumer(
        self,
        queues: Sequence[Queue],
        routes: Sequence[Route],
        *,
        concurrency: int | None = None,
        on_refused: Refusal | None = None,
        default_type: str = "",
        is_waking: bool = True,
    ) -> Consumer:
        """A consumer with this process's postponer and relay, which publishes what handlers wrote
        as soon as each ends, unless they wake it themselves (`is_waking` false); `concurrency`
        None: as the settings say."""
        return Consumer(
            self.settings.amqp_url.get_secret_value(),
            queues,
            [_waking(route, self.relay) for route in routes] if is_waking else routes,
            postponer=TimerPostponer(self.timers),
            publisher=self.publisher,
            healthy=self.database.is_healthy,
            on_refused=on_refused,
            options=ConsumerOptions(
                concurrency=concurrency or self.settings.prefetch,
                grace=self.settings.shutdown_grace,
                default_type=default_type,
            ),
        )


def _waking(route: Route, relay: OutboxRelay) -> Route:
    def prepare(received: ReceivedMessage) -> Work:
        work = route.prepare(received)

        async def run() -> None:
            try:
                await work.run()
            finally:
                relay.wake()

        return Work(work.ids, run)

    return Route(route.type, prepare)


@asynccontextmanager
async def open_messenger(
    settings: WorkerSettings, *, service: str, plans_once: bool = False
) -> AsyncIterator[Messenger]:
    """Database, broker and relay; refuses to start unless both can be used now. `plans_once` as
    for `open_database`."""
    topology = Topology()
    amqp_url = settings.amqp_url.get_secret_value()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            open_database(
                settings.database_url.get_secret_value(),
                service=service,
                max_size=settings.database_pool_size,
                plans_once=plans_once,
            )
        )
        await verify_at(amqp_url, topology)
        publisher = await stack.enter_async_context(
            Publisher(amqp_url, name=f"amcflow {service} publisher")
        )
        yield Messenger(
            database=database,
            publisher=publisher,
            relay=OutboxRelay(Outbox(database), publisher, topology),
            timers=Timers(database),
            topology=topology,
            settings=settings,
        )


async def run_until(stop: asyncio.Event, *, first: Sequence[Job], last: Sequence[Job]) -> None:
    """Run all jobs; at `stop` end the first ones, and only then the last ones."""
    late = asyncio.Event()
    async with asyncio.TaskGroup() as outer:
        for job in last:
            outer.create_task(_job(job, late))
        async with asyncio.TaskGroup() as inner:
            for job in first:
                inner.create_task(_job(job, stop))
        late.set()


async def _job(job: Job, stop: asyncio.Event) -> None:
    await job(stop)


SettingsT = TypeVar("SettingsT", bound=LogSettings)


def main(
    service: str,
    settings_kind: Callable[[], SettingsT],
    run: Callable[[SettingsT, asyncio.Event], Awaitable[None]],
    *,
    young_objects: int | None = None,
) -> None:
    """Run a service to its end and leave with its exit code.

    So many `young_objects` may be new before the collector looks for cycles among them; Python's
    own number if None.
    """
    settings = read_settings(settings_kind, service=service)
    configure(service, version=_version(), level=settings.log_level)
    watch(settings.stop_points_folder, service=service)
    clock.make_wrong(by_seconds=settings.clock_wrong_by.total_seconds())
    with _rare_collections(young_objects), serve_metrics(settings.metrics_port):
        sys.exit(_run(service, settings, run))


@contextmanager
def _rare_collections(young_objects: int | None) -> Iterator[None]:
    """What was imported stays to the end: going through its 160,000 objects with each full
    collection stops all work for 60 to 100 ms, and a permit lives for 20."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(young_objects or thresholds[0], *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _run(
    service: str,
    settings: SettingsT,
    run: Callable[[SettingsT, asyncio.Event], Awaitable[None]],
) -> int:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_signalled(service, settings, run))
    except AmcflowError as error:
        sys.stderr.write(f"{service}: {error.message} {error.hint}\n")
        return EXIT_FAILED
    except ValueError as error:
        # A key or an address in the settings that pydantic could not judge.
        log.exception("service_failed")
        sys.stderr.write(f"{service}: {error}\n")
        return EXIT_SETTINGS
    except Exception:
        log.exception("service_failed")
        return EXIT_FAILED
    return 0


async def _until_signalled(
    service: str,
    settings: SettingsT,
    run: Callable[[SettingsT, asyncio.Event], Awaitable[None]],
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop)
    log.info("service_started", pid=os.getpid())
    await run(settings, stop)
    log.info("service_stopped", name=service)


def _stop(stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(EXIT_FAILED)
    stop.set()


def _version() -> str:
    try:
        return version("amcflow")
    except PackageNotFoundError:
        return "dev"
