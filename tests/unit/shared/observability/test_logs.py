"""One JSON object a line, from our code and the libraries', with ids and without secrets."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.observability.logs import bound, configure, get_logger

log = get_logger()


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, while the real configuration is set aside."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = structlog.get_config()
    stream = io.StringIO()
    configure("poller", version="1.2.3", stream=stream)
    yield stream
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def parsed(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_who_when_and_what(lines: io.StringIO) -> None:
    log.info("instance_polled", pages=2)

    (line,) = parsed(lines)
    assert str(line.pop("ts")).endswith("Z")
    assert line == {
        "event": "instance_polled",
        "level": "info",
        "service": "poller",
        "version": "1.2.3",
        "pages": 2,
    }


def test_a_librarys_line_has_the_same_form(lines: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("Started %s", "server")

    (line,) = parsed(lines)
    assert (line["event"], line["logger"]) == ("Started server", "uvicorn.error")
    assert (line["level"], line["service"]) == ("info", "poller")


@pytest.mark.parametrize("name", ["aiormq.connection", "aio_pika.channel", "asyncpg", "httpx"])
def test_frames_and_statements_are_never_logged(lines: io.StringIO, name: str) -> None:
    configure("poller", version="1", level="DEBUG", stream=lines)

    logging.getLogger(name).debug("every byte")

    assert parsed(lines) == []


async def test_bound_ids_are_on_every_line_of_the_work_and_no_other(lines: io.StringIO) -> None:
    async def work(execution_id: str) -> None:
        with bound(execution_id=execution_id, correlation_id=None):
            await asyncio.sleep(0)
            log.info("execution_submitted")

    await asyncio.gather(work("a"), work("b"))
    log.info("idle")

    assert [line.get("execution_id") for line in parsed(lines)] == ["a", "b", None]
    assert all("correlation_id" not in line for line in parsed(lines))


def test_secrets_are_dropped_by_name_and_by_look(lines: io.StringIO) -> None:
    log.info(
        "token_refreshed",
        refresh_token="r-1",
        nested={"client_secret": "s-1"},
        url="amqp://user:pa55@host/",
        header="Bearer abc.def",
        credential_id="kept",
    )

    text = lines.getvalue()
    for secret in ("r-1", "s-1", "pa55", "abc.def"):
        assert secret not in text
    assert parsed(lines)[0]["credential_id"] == "kept"


@pytest.mark.parametrize("library", [True, False])
def test_secrets_in_a_traceback_are_dropped_too(lines: io.StringIO, library: bool) -> None:
    writer = logging.getLogger("some.library") if library else log
    error = ValueError("postgresql://app:pa55@host/db refused")

    writer.error("connecting_failed", exc_info=error)

    (line,) = parsed(lines)
    assert "ValueError" in str(line["exception"])
    assert "pa55" not in lines.getvalue()


def test_below_the_level_nothing_is_written(lines: io.StringIO) -> None:
    configure("poller", version="1", level="WARNING", stream=lines)

    log.info("not_this")
    logging.getLogger("some.library").info("nor this")
    log.warning("but_this")

    assert [line["event"] for line in parsed(lines)] == ["but_this"]
