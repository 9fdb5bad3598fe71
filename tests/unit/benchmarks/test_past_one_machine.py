"""The table of what more instances need."""

import pytest

from benchmarks.frame import Row
from benchmarks.past_one_machine import Measured, measured_from, need_of, table

MEASURED = Measured({"submitter": 0.002, "poller": 0.003, "postgres": 0.004, "rabbitmq": 0.001})


def make_cost(*slices: dict[str, float]) -> Row:
    return Row(
        name="cost: CPU",
        ours=1.0,
        rival=1.0,
        ratio=1.0,
        target="shown",
        met=None,
        details={"cpu_by_slice": list(slices)},
    )


def test_an_execution_costs_the_median_of_the_slices() -> None:
    row = make_cost({"poller": 1.0}, {"poller": 9.0}, {"poller": 2.0})

    assert measured_from([row]).cpu == {"poller": 0.002}


def test_without_a_measurement_there_is_no_table() -> None:
    with pytest.raises(ValueError, match="ONLY=cost"):
        measured_from([])


def test_cores_grow_with_instances_and_one_instances_share_does_not() -> None:
    small, large = need_of(1_000, MEASURED), need_of(100_000, MEASURED)

    assert small.executions == pytest.approx(5)
    assert small.service_cores == pytest.approx(0.025)
    assert large.postgres_cores == pytest.approx(100 * small.postgres_cores)
    assert large.busiest_budget == small.busiest_budget
    assert large.busiest_gate == small.busiest_gate


def test_servers_are_no_services() -> None:
    assert MEASURED.services == pytest.approx(0.005)


def test_the_table_has_a_column_for_each_size() -> None:
    assert {line.count("|") for line in table(MEASURED).splitlines()} == {5}
