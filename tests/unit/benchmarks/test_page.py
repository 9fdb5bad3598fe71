"""The figures on the page of the day."""

import pytest

from benchmarks.frame import Row
from benchmarks.page import between, markdown, written

PAGE = "# Words\n\n<!-- figures -->\nold\n<!-- end of figures -->\n\nMore words.\n"


def make_row(*, met: bool | None = True) -> Row:
    return Row(
        name="read",
        ours=1.5,
        rival=1.0,
        ratio=1.5,
        target="<= 2",
        met=met,
        unit="ms",
        pairs=3,
        spread=(1.2, 1.8),
    )


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    assert between(PAGE, "figures", "new") == PAGE.replace("old", "new")


def test_a_page_that_lost_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="no marks for 'figures'"):
        between("# Words\n", "figures", "new")


def test_a_miss_stands_out() -> None:
    assert "| <= 2 | **no** |" in markdown([make_row(met=False)])


def test_without_a_cost_the_table_of_more_machines_stays() -> None:
    assert "| read | 1.5 ms | 1 ms |" in written(PAGE, [make_row()], "A machine.")
