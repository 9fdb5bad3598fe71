"""The Prometheus metrics of all services, declared once so that names and labels cannot drift."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, start_http_server

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)

MESSAGES_HANDLED = Counter(
    "amcflow_messages_handled_total",
    "Messages a consumer answered, by what it answered (ack, park, postpone, return).",
    ["queue", "verdict"],
)
HANDLER_SECONDS = Histogram(
    "amcflow_handler_seconds",
    "Time from delivery to the handler's end.",
    ["queue"],
    buckets=_SECONDS,
)
MESSAGES_PUBLISHED = Counter(
    "amcflow_messages_published_total",
    "Messages RabbitMQ confirmed to have stored.",
    ["exchange"],
)
PUBLISH_FAILURES = Counter(
    "amcflow_publish_failures_total",
    "Messages RabbitMQ refused, returned or did not confirm in time.",
    ["exchange"],
)
CONSUMER_UP = Gauge(
    "amcflow_consumer_up",
    "1 while this process receives messages of the queue.",
    ["queue"],
)
PERMITS = Counter(
    "amcflow_permits_total",
    "Turns in the rate budget: taken, and of those missed: too old when their caller woke.",
    ["outcome"],
)
AMC_CALLS = Counter(
    "amcflow_amc_calls_total",
    "Calls to AMC by what was called and the HTTP status (`none`: no answer).",
    ["call", "status"],
)
AMC_CALL_SECONDS = Histogram(
    "amcflow_amc_call_seconds",
    "Time of a call to AMC, without the wait for its turn.",
    ["call"],
    buckets=_SECONDS,
)
EXECUTIONS_FINISHED = Counter(
    "amcflow_executions_finished_total",
    "Executions that reached a final state.",
    ["state"],
)


@contextmanager
def serve_metrics(port: int) -> Iterator[None]:
    """Serve `/metrics` from a thread of its own while inside; port 0 serves nothing."""
    if not port:
        yield
        return
    server, thread = start_http_server(port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
