"""Prometheus text: this process's own counters, and gauges read from the database.

Every API process shows the same gauges, so dashboards take the maximum over processes.
"""

from prometheus_client import REGISTRY, CollectorRegistry, Gauge, generate_latest

from shared.db.stats import Figures
from shared.domain.states import ExecutionState


def exposition(figures: Figures | None) -> bytes:
    """Without figures (the database is away) the process's own counters remain."""
    own = generate_latest(REGISTRY)
    return own if figures is None else own + generate_latest(_gauges(figures))


def _gauges(figures: Figures) -> CollectorRegistry:
    registry = CollectorRegistry()
    states = Gauge("amcflow_executions", "Executions by state.", ["state"], registry=registry)
    for state in ExecutionState:
        states.labels(state).set(figures.states.get(state, 0))
    _instances(figures, registry)
    Gauge("amcflow_outbox_messages", "Messages not yet published.", registry=registry).set(
        figures.outbox_messages
    )
    Gauge("amcflow_outbox_oldest_seconds", "Age of the oldest of them.", registry=registry).set(
        figures.outbox_oldest_seconds
    )
    Gauge(
        "amcflow_credentials_broken", "Logins somebody must authorise again.", registry=registry
    ).set(figures.broken_credentials)
    Gauge("amcflow_parked_messages", "Messages that wait for a person.", registry=registry).set(
        figures.parked_messages
    )
    return registry


def _instances(figures: Figures, registry: CollectorRegistry) -> None:
    def gauge(name: str, documentation: str) -> Gauge:
        return Gauge(f"amcflow_instance_{name}", documentation, ["instance"], registry=registry)

    in_use = gauge("executions_in_flight", "Executions that hold a slot.")
    limit = gauge("executions_limit", "Slots.")
    queued = gauge("executions_queued", "Executions that wait for a slot.")
    oldest = gauge("oldest_queued_seconds", "How long the oldest of them has waited.")
    paused = gauge("paused", "1 while nothing new may start.")
    for load in figures.instances:
        in_use.labels(load.instance_id).set(load.in_use)
        limit.labels(load.instance_id).set(load.max_concurrent_executions)
        queued.labels(load.instance_id).set(load.queued)
        oldest.labels(load.instance_id).set(load.oldest_queued_seconds)
        paused.labels(load.instance_id).set(load.paused)
