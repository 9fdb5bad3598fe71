"""Pairs, targets and the context of benchmarks."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.frame import Context, Pairs, Row, Size, Target, measure_in_turn, measure_pairs


def test_ours_and_the_rival_take_turns_and_every_second_pair_begins_with_the_rival() -> None:
    order: list[str] = []

    def noting(side: str) -> Callable[[], float]:
        def measure() -> float:
            order.append(side)
            return float(len(order))

        return measure

    measure_pairs(noting("ours"), noting("rival"), pairs=3)

    assert order == ["ours", "rival", "rival", "ours", "ours", "rival"]


def test_a_pair_is_kept_together_whoever_came_first() -> None:
    numbers = itertools.count(1)

    found = measure_pairs(lambda: next(numbers), lambda: next(numbers) * 10, pairs=2)

    assert found == Pairs(ours=(1, 4), rival=(20, 30))


def test_cases_that_are_compared_take_turns() -> None:
    numbers = itertools.count(1)
    sides = (lambda: next(numbers), lambda: next(numbers))

    found = measure_in_turn({"first": sides, "last": sides}, pairs=2)

    assert found == {
        "first": Pairs(ours=(1, 6), rival=(2, 5)),
        "last": Pairs(ours=(3, 8), rival=(4, 7)),
    }


def test_the_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_the_medians() -> None:
    pairs = Pairs(ours=(10, 30, 50), rival=(10, 10, 50))

    row = pairs.row("submit", Target(at_least=1.5), unit="1/s")

    assert (row.ours, row.rival, row.ratio, row.spread) == (30, 10, 1, (1, 3))


@pytest.mark.parametrize(
    ("target", "ratio", "met"),
    [
        (Target(at_least=1.5), 1.5, True),
        (Target(at_least=1.5), 1.49, False),
        (Target(at_most=2), 2.0, True),
        (Target(at_most=2), 2.01, False),
        (Target(), 1.0, None),
    ],
)
def test_a_target_is_met_at_its_bound(target: Target, ratio: float, met: bool | None) -> None:
    pairs = Pairs(ours=(ratio,), rival=(1.0,))

    row: Row = pairs.row("read", target, unit="ms")

    assert row.met is met


@pytest.mark.parametrize(("size", "pairs"), [(Size.FULL, 3), (Size.QUICK, 3), (Size.TINY, 1)])
def test_only_the_smallest_size_has_fewer_than_three_pairs(
    size: Size, pairs: int, tmp_path: Path
) -> None:
    assert Context(size=size, folder=tmp_path, logs=tmp_path).pairs == pairs
