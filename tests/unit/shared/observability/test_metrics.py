"""Names as Prometheus wants them."""

from prometheus_client import REGISTRY

from shared.observability import metrics


def test_every_metric_is_ours_by_name() -> None:
    ours = [metric for metric in REGISTRY.collect() if metric.name.startswith("amcflow_")]

    assert len(ours) == 9
    assert all(metric.documentation for metric in ours)


def test_without_a_port_nothing_is_served() -> None:
    with metrics.serve_metrics(0):
        pass
