"""What an item must satisfy, and how problems add up."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.db.instances import InstanceRef
from shared.db.workflows import Definition
from shared.domain.claims import DeclaredParameter
from shared.domain.errors import FieldProblem, InvalidRequest, NotFound
from shared.domain.ids import AccountKey, InstanceKey
from shared.intake.checks import Defaults, Findings, ItemCheck, Known
from shared.intake.errors import InvalidOutputFormat, UnknownItems
from shared.intake.models import ExecutionItem
from shared.intake.problems import SHOWN, refused

WORKFLOW = UUID("01900000-0000-7000-8000-000000000001")
KNOWN = Known(
    {
        WORKFLOW: Definition(
            WORKFLOW,
            "wf_x_1",
            (
                DeclaredParameter("must", "STRING", None, None),
                DeclaredParameter("may", "STRING", "x", None),
            ),
        )
    },
    {"amcone": InstanceRef(InstanceKey(3), AccountKey(4))},
)


def check(findings: Findings) -> ItemCheck:
    return ItemCheck(KNOWN, Defaults(), "owner", datetime(2025, 7, 30, tzinfo=UTC), findings)


def item(**overrides: object) -> ExecutionItem:
    plain = {
        "workflow_id": str(WORKFLOW),
        "instance_id": "amcone",
        "parameters": {"must": "1"},
        **overrides,
    }
    return ExecutionItem.model_validate(plain)


def test_a_good_item_becomes_an_execution_with_every_default():
    findings = Findings()

    execution = check(findings).execution(item(), ())

    findings.raise_if_any()
    assert execution is not None
    assert (execution.instance_id, execution.account_id, execution.lane) == (3, 4, "owner")
    assert (execution.amc_workflow_id, execution.parameters) == ("wf_x_1", {"must": "1"})
    assert (execution.priority, execution.deadline_seconds) == (5, 21_600)
    assert execution.time_window_end is not None
    assert execution.time_window_end.isoformat() == "2025-07-16T00:00:00"


def test_every_problem_of_an_item_is_found_at_its_place():
    findings = Findings()

    bad = item(instance_id="amctwo", parameters={"other": "1"}, time_window={"type": "EXPLICIT"})
    assert check(findings).execution(bad, ("items", 7)) is None

    with pytest.raises(InvalidRequest) as caught:
        findings.raise_if_any()
    assert {problem.loc for problem in caught.value.problems} == {
        ("items", 7, "time_window", "start"),
        ("items", 7, "parameters", "other"),
        ("items", 7, "parameters", "must"),
        ("items", 7, "instance_id"),
    }


@pytest.mark.parametrize("name", ["wf_1", "nothing", "01900000-0000-7000-8000-000000000009"])
def test_only_names_that_do_not_exist_are_not_found(name: str):
    findings = Findings()
    check(findings).execution(item(workflow_id=name), ())

    with pytest.raises(UnknownItems) as caught:
        findings.raise_if_any()

    assert isinstance(caught.value, NotFound)
    assert caught.value.problems[0].loc == ("workflow_id",)


def test_a_wrong_output_format_alone_is_an_error_of_its_own():
    format_problem = FieldProblem(("items", 1, "output_format"), "is wrong")
    other_problem = FieldProblem(("items", 1, "priority"), "is wrong")

    assert type(refused([format_problem])) is InvalidOutputFormat
    assert type(refused([format_problem, other_problem])) is InvalidRequest


def test_a_long_list_of_problems_is_cut():
    error = refused([FieldProblem((index,), "is wrong") for index in range(500)])

    assert len(error.problems) == SHOWN
    assert error.message == "0: is wrong. 499 more problems."
