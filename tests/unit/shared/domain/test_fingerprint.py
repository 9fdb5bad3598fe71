"""Names of workflows at AMC follow their content."""

import re
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.claims import DeclaredParameter
from shared.domain.fingerprint import amc_workflow_id
from shared.domain.parameters import ParameterType

WORKFLOW = UUID("01900000-0000-7000-8000-000000000001")


def declared(name: str, kind: str = "STRING") -> DeclaredParameter:
    return DeclaredParameter(name, kind, None, None)


@given(sql=st.text(), name=st.text())
def test_a_name_has_only_characters_that_amc_allows(sql: str, name: str):
    assert re.fullmatch(
        r"wf_[0-9a-f]{32}_[0-9a-f]{16}", amc_workflow_id(WORKFLOW, sql, [declared(name)])
    )


def test_the_order_of_declarations_does_not_matter():
    one, other = declared("a"), declared("b", "LONG")

    assert amc_workflow_id(WORKFLOW, "q", [one, other]) == amc_workflow_id(
        WORKFLOW, "q", [other, one]
    )


@given(
    st.lists(
        st.tuples(st.text(), st.text(), st.sampled_from(ParameterType)),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_different_content_has_different_names(contents: list[tuple[str, str, ParameterType]]):
    names = [amc_workflow_id(WORKFLOW, sql, [declared(name, kind)]) for sql, name, kind in contents]

    assert names[0] != names[1]
