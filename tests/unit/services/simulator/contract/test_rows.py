"""No row of the contract is forgotten, and no test claims a row that is not there."""

import ast
from pathlib import Path

from tests.unit.services.simulator.contract.rows import ROWS


def proofs() -> set[str]:
    """The names of the test functions of this folder's sections, without `test_`."""
    return {
        node.name.removeprefix("test_")
        for path in Path(__file__).parent.glob("test_section_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_every_row_has_a_test_named_after_it():
    names = proofs()

    assert [row for row in ROWS if not any(name.startswith(row) for name in names)] == []


def test_every_test_is_named_after_a_row():
    extra = ("s2_errors", "s3_older", "s3_scope", "s3_code_needs")

    assert [name for name in proofs() if not name.startswith((*ROWS, *extra))] == []
