"""What a file holds does not depend on the period, the chunks or the order of generation."""

import tracemalloc
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.duck import timeline
from services.simulator.duck.brands import make_ads, make_products
from services.simulator.duck.plan import DataPlan
from services.simulator.duck.timeline import chunks, joined
from services.simulator.duck.traffic import DAY, make_habits

PLAN = DataPlan(7, "amcsimthde1", 300, 20_670, 20_690)
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  UTC throughout, as the data file has it
TIMES = {"credited": ("ts", "tts")}


def told(plan: DataPlan) -> dict[str, dict[str, np.ndarray]]:
    habits = make_habits(plan, make_ads(plan), len(make_products(plan)) // 3)
    pieces: dict[str, list[dict[str, np.ndarray]]] = {}
    for facts in chunks(plan, habits):
        for name, columns in facts.items():
            pieces.setdefault(name, []).append(columns)
    return {name: joined(parts) for name, parts in pieces.items()}


def rows(columns: dict[str, np.ndarray], time: str, first: int, last: int) -> list[tuple[int, ...]]:
    chosen = (columns[time] >= first * DAY) & (columns[time] < (last + 1) * DAY)
    return sorted(zip(*(values[chosen].tolist() for values in columns.values()), strict=True))


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, first_day=20_640),
        replace(PLAN, last_day=20_720),
        replace(PLAN, first_day=20_600, last_day=20_700),
    ],
    ids=["begins earlier", "ends later", "both"],
)
def test_a_day_has_the_same_rows_in_every_file_that_holds_it(other):
    mine, theirs = told(PLAN), told(other)

    assert mine.keys() == theirs.keys()
    for name, columns in mine.items():
        for time in TIMES.get(name, ("ts",)):
            found = rows(columns, time, PLAN.first_day, PLAN.last_day)
            assert found == rows(theirs[name], time, PLAN.first_day, PLAN.last_day)
            assert found


@pytest.mark.parametrize("size", [1, 2_000, 10**9])
def test_chunks_of_any_length_tell_the_same(size, monkeypatch):
    usual = told(PLAN)
    monkeypatch.setattr(timeline, "_ROWS", size)

    for name, columns in told(PLAN).items():
        assert rows(columns, "ts", 0, 30_000) == rows(usual[name], "ts", 0, 30_000)


def test_a_row_keeps_one_key_that_no_other_row_of_its_table_has():
    for name, columns in told(PLAN).items():
        per_row = 2 if name == "enrolled" else 1
        assert len(np.unique(columns["key"])) * per_row >= len(columns["key"])


def test_days_around_the_plan_are_written_in_full():
    found = told(PLAN)
    counts = [len(rows(found["shown"], "ts", day, day)) for day in PLAN.written]

    assert min(counts) > 0
    conversions = [len(rows(found["converted"], "ts", day, day)) for day in PLAN.written]
    assert min(conversions) > 0
    credited = rows(found["credited"], "ts", PLAN.written.start, PLAN.written.start)
    assert credited


def peak_bytes(plan: DataPlan) -> int:
    tracemalloc.start()
    for _ in chunks(plan, make_habits(plan, make_ads(plan), 4)):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_period(monkeypatch):
    monkeypatch.setattr(timeline, "_ROWS", 2_500)
    month = replace(PLAN, users=500)

    assert peak_bytes(replace(month, last_day=month.last_day + 90)) < 1.2 * peak_bytes(month)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.integers(1, 40_000))  # noqa: DTZ001
def test_a_file_holds_the_whole_months_around_a_window(start, minutes):
    end = start + timedelta(minutes=minutes)
    plan = PLAN.covering(start, end)
    first, last = (EPOCH + timedelta(days=day) for day in (plan.first_day, plan.last_day + 1))

    assert first <= start
    assert end <= last
    assert first.day == last.day == 1
    assert (first.year, first.month) == (start.year, start.month)
    assert PLAN.covering(first, last) == plan
