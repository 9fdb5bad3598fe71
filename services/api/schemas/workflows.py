"""Workflows as they come in and go out."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from shared.db.workflows import Workflow
from shared.domain.claims import DeclaredParameter
from shared.domain.ids import WORKFLOW_PREFIX, show
from shared.domain.parameters import ParameterType
from shared.intake.models import Name, Strict, Text

MAX_SQL = 131_072

Sql = Annotated[Text, Field(min_length=1, max_length=MAX_SQL, pattern=r"\S")]
Description = Annotated[Text, Field(max_length=2_000)]


class ParameterIn(Strict):
    """A parameter that the SQL reads with CUSTOM_PARAMETER('name')."""

    name: Annotated[Text, Field(min_length=1, max_length=128)]
    data_type: ParameterType = ParameterType.STRING
    default_value: Annotated[Text, Field(max_length=65_536)] | None = None
    description: Annotated[Text, Field(max_length=500)] | None = None

    def declared(self) -> DeclaredParameter:
        """For the domain."""
        return DeclaredParameter(
            self.name, self.data_type.value, self.default_value, self.description
        )


Parameters = Annotated[list[ParameterIn], Field(max_length=100)]


class WorkflowIn(Strict):
    """Saved SQL. Parameters that the SQL names and nobody declares are declared STRING."""

    name: Name
    sql_query: Sql
    parameters: Parameters = Field(default_factory=list)
    description: Description = ""


class WorkflowPatch(Strict):
    """What is left out stays. With another `sql_query` and no `parameters`, declarations of
    parameters it no longer names fall away."""

    name: Name | None = None
    sql_query: Sql | None = None
    parameters: Parameters | None = None
    description: Description | None = None


class ParameterOut(BaseModel):
    """A declared parameter; without a default every execution must give a value."""

    name: str
    data_type: str
    default_value: str | None
    description: str | None


class WorkflowSummary(BaseModel):
    """A workflow in a list, without its SQL."""

    id: str
    name: str
    description: str
    amc_workflow_id: str
    version: int
    parameters: list[ParameterOut]
    created_by: str
    created_at: datetime
    updated_at: datetime


class WorkflowOut(WorkflowSummary):
    """A workflow; `amc_workflow_id` is its name at AMC, which changes with its content."""

    sql_query: str


class WorkflowSaved(WorkflowOut):
    """A workflow just saved, with what looks odd about its SQL; AMC has the last word."""

    warnings: list[str]


def show_summary(workflow: Workflow) -> WorkflowSummary:
    return WorkflowSummary(
        id=show(WORKFLOW_PREFIX, workflow.id),
        name=workflow.name,
        description=workflow.description,
        amc_workflow_id=workflow.amc_workflow_id,
        version=workflow.version,
        parameters=[
            ParameterOut(
                name=parameter.name,
                data_type=parameter.data_type,
                default_value=parameter.default_value,
                description=parameter.description,
            )
            for parameter in workflow.parameters
        ],
        created_by=workflow.created_by,
        created_at=workflow.created_at,
        updated_at=workflow.updated_at,
    )


def show_workflow(workflow: Workflow) -> WorkflowOut:
    return WorkflowOut(**show_summary(workflow).model_dump(), sql_query=workflow.sql_query or "")


def show_saved(workflow: Workflow, warnings: tuple[str, ...]) -> WorkflowSaved:
    return WorkflowSaved(**show_workflow(workflow).model_dump(), warnings=list(warnings))
