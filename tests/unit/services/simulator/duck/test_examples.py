"""EXAMPLES.md says what its queries return."""

from services.simulator.duck.examples import FILE, PLAN, answered, run_on
from tests.unit.services.simulator.duck.conftest import PLAN as TESTED


def test_the_rows_below_each_example_are_its_answer(connection):
    text = FILE.read_text("utf-8")

    assert PLAN == TESTED
    assert text.count("```sql") == text.count("```text") == 10
    assert answered(text, run_on(connection)) == text


def test_one_example_is_emptied_by_the_thresholds():
    assert "```text\ncity_name,clicks\n```" in FILE.read_text("utf-8")
