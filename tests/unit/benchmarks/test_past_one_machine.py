"""The table of what more instances need, and of which part is full first."""

from dataclasses import replace

import pytest

from benchmarks.frame import Row
from benchmarks.past_one_machine import (
    Measured,
    cost_table,
    has_all,
    measured_from,
    need_of,
    table,
)

MEASURED = Measured(
    {"submitter": 0.002, "poller": 0.003, "postgres": 0.004, "rabbitmq": 0.001},
    gate_seconds=0.0015,
    relay_seconds=0.001,
    queue_messages=2_000,
)


def make_row(name: str, ours: float, **details: object) -> Row:
    return Row(
        name=name, ours=ours, rival=1.0, ratio=1.0, target="shown", met=None, details=details
    )


def make_rows(*slices: dict[str, float]) -> list[Row]:
    return [
        make_row("cost: CPU", 1.0, cpu_by_slice=list(slices)),
        make_row("scale admit", 1.5),
        make_row("scale relay", 1.0),
        make_row("submit", 2_000),
    ]


def test_an_execution_costs_the_median_of_the_slices() -> None:
    rows = make_rows({"poller": 1.0}, {"poller": 9.0}, {"poller": 2.0})

    assert measured_from(rows).cpu == {"poller": 0.002}


def test_what_parts_carry_comes_from_their_own_benchmarks() -> None:
    found = measured_from(make_rows({"poller": 1.0}))

    assert found.gate_seconds == pytest.approx(0.0015)
    assert found.relay_seconds == pytest.approx(0.001)
    assert found.queue_messages == 2_000


@pytest.mark.parametrize("missing", ["cost", "scale", "submit"])
def test_without_a_measurement_there_is_no_table(missing: str) -> None:
    rows = [row for row in make_rows({"poller": 1.0}) if not row.name.startswith(missing)]

    assert not has_all(rows)
    with pytest.raises(ValueError, match=f"ONLY={missing}"):
        measured_from(rows)


def test_cores_grow_with_instances_and_what_belongs_to_one_does_not() -> None:
    small, large = need_of(1_000, MEASURED), need_of(100_000, MEASURED)

    assert small.executions == pytest.approx(5)
    assert small.service_cores == pytest.approx(0.025)
    assert large.postgres_cores == pytest.approx(100 * small.postgres_cores)
    assert large.shares["budget row"] == small.shares["budget row"]
    assert large.shares["account gate"] == small.shares["account gate"]


def test_relays_come_with_the_processes() -> None:
    need = need_of(100_000, replace(MEASURED, cpu={"poller": 0.014}))

    assert need.processes == 10
    assert need.shares["relay"] == pytest.approx(1_500 * 0.001 / 10)


def test_the_fullest_part_is_told() -> None:
    assert need_of(100_000, MEASURED).fullest == "relay"
    assert need_of(100_000, replace(MEASURED, queue_messages=600)).fullest == "queue"


def test_servers_are_no_services() -> None:
    assert MEASURED.services == pytest.approx(0.005)


def test_the_table_has_a_column_for_each_size() -> None:
    assert {line.count("|") for line in table(MEASURED).splitlines()} == {5}


def test_the_cost_of_one_is_told_by_part_and_in_all() -> None:
    assert cost_table(MEASURED).splitlines()[-1] == "| ms | 2 | 3 | 4 | 1 | 10 |"
