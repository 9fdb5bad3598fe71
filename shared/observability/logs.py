"""JSON lines on stderr for our own events and for the libraries' alike, without secrets.

Every line carries ts, level, event, service and version, and whatever is bound in the context of
the work in hand (`bound`): request and correlation id at the API, message and execution id in a
consumer, so that one id finds one execution through every service.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from shared.security.secrets import redact

# Their DEBUG shows every frame and statement, bodies and passwords included; INFO adds nothing.
_QUIET: Final = ("aiormq", "aio_pika", "asyncpg", "httpx", "httpcore", "aiohttp", "asyncio")
# Written by us alone, so nothing to search: redaction is most of the cost of a line.
_OWN: Final = ("ts", "level", "service", "version")
_UVICORN: Final = ("uvicorn", "uvicorn.error", "uvicorn.access")


def configure(
    service: str, *, version: str, level: str = "INFO", stream: TextIO | None = None
) -> None:
    """Send everything to `stream` (stderr) as JSON; called once, first thing in a service."""
    number = logging.getLevelNamesMapping()[level.upper()]
    output = sys.stderr if stream is None else stream
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _stamped(service, version),
    ]
    rendering: list[Processor] = [
        structlog.processors.format_exc_info,
        _without_secrets,
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=output),
        cache_logger_on_first_use=False,
    )
    _route_standard_logging(output, number, shared=shared, rendering=rendering)


def get_logger() -> FilteringBoundLogger:
    """The logger of a module: `log = get_logger()`."""
    return cast("FilteringBoundLogger", structlog.get_logger())


@contextmanager
def bound(**ids: str | None) -> Iterator[None]:
    """Put these on every line written inside, in this task and those it starts."""
    known = {name: value for name, value in ids.items() if value is not None}
    with structlog.contextvars.bound_contextvars(**known):
        yield


def _stamped(service: str, version: str) -> Processor:
    def stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        event["version"] = version
        return event

    return stamp


def _without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Last before rendering, so that nothing is added behind it; tracebacks are text by now."""
    own = {name: event.pop(name) for name in _OWN if name in event}
    return {**own, **cast("EventDict", redact(event))}


def _named(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Which library wrote it; its sentence stays the event."""
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        event["logger"] = record.name
    return event


def _route_standard_logging(
    output: TextIO, level: int, *, shared: list[Processor], rendering: list[Processor]
) -> None:
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _named],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for name in _UVICORN:
        server = logging.getLogger(name)
        server.handlers.clear()
        server.propagate = True
