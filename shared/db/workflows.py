"""Saved SQL: a workflow's row points at its present definition; older ones stay for what ran.

A definition is named by its content and never changed, so an execution that waits in the queue
runs what it was accepted with, whatever becomes of the workflow.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from shared.db.acceptance import RememberedRequest
from shared.db.idempotency import remember
from shared.db.pool import Database
from shared.db.queries import load
from shared.db.rows import declared_of
from shared.domain.claims import DeclaredParameter
from shared.domain.errors import NotFound, StaleTransition
from shared.domain.ids import WORKFLOW_PREFIX, show
from shared.domain.parameters import as_json

_SQL = load("workflows")

BEFORE_ALL = UUID(int=2**128 - 1)
"""The cursor in front of the first page of a list with the newest id first."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a workflow says now."""

    workflow_id: UUID
    amc_workflow_id: str
    parameters: tuple[DeclaredParameter, ...]


@dataclass(frozen=True, slots=True)
class NewDefinition:
    """Content to be stored under its own name."""

    amc_workflow_id: str
    sql_query: str
    parameters: Sequence[DeclaredParameter]


@dataclass(frozen=True, slots=True)
class NewWorkflow:
    """A workflow to be stored."""

    id: UUID
    name: str
    description: str
    definition: NewDefinition
    created_by: str


@dataclass(frozen=True, slots=True)
class Workflow:
    """A stored workflow; `sql_query` is None in lists."""

    id: UUID
    name: str
    description: str
    amc_workflow_id: str
    version: int
    sql_query: str | None
    parameters: tuple[DeclaredParameter, ...]
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Workflows:
    """The repository of saved SQL."""

    database: Database

    async def create(
        self, new: NewWorkflow, answer: Callable[[Workflow], RememberedRequest | None]
    ) -> Workflow:
        """Store it with its first definition, and the answer under the request's key."""
        async with self.database.transaction() as connection:
            row = await connection.fetchrow(
                _SQL["create_workflow"],
                new.id,
                new.name,
                new.description,
                new.created_by,
                new.definition.amc_workflow_id,
                new.definition.sql_query,
                [as_json(parameter) for parameter in new.definition.parameters],
            )
            workflow = _workflow(_existing(row, new.id))
            await remember(connection, answer(workflow))
        return workflow

    async def get(self, workflow_id: UUID) -> Workflow:
        """NotFound if there is none, or it was deleted."""
        row = await self.database.fetchrow(_SQL["get_workflow"], workflow_id)
        return _workflow(_existing(row, workflow_id))

    async def page(self, *, after: UUID = BEFORE_ALL, limit: int) -> list[Workflow]:
        """The newest first."""
        rows = await self.database.fetch(_SQL["page_of_workflows"], after, limit)
        return [_workflow(row) for row in rows]

    async def update(
        self, seen: Workflow, *, name: str, description: str, definition: NewDefinition | None
    ) -> Workflow:
        """Change it, if it is still as `seen`; StaleTransition if somebody was faster."""
        async with self.database.transaction() as connection:
            if definition is not None:
                await connection.execute(
                    _SQL["store_definition"],
                    seen.id,
                    definition.amc_workflow_id,
                    definition.sql_query,
                    [as_json(parameter) for parameter in definition.parameters],
                )
            row = await connection.fetchrow(
                _SQL["update_workflow"],
                seen.id,
                seen.updated_at,
                name,
                description,
                definition.amc_workflow_id if definition else seen.amc_workflow_id,
            )
            if row is None:
                raise StaleTransition(f"Somebody else has just changed {seen.name!r}; read again.")
        return _workflow(row)

    async def delete(self, workflow_id: UUID) -> None:
        """Nothing new may run; what was accepted still does, and its results stay."""
        row = await self.database.fetchrow(_SQL["delete_workflow"], workflow_id)
        _existing(row, workflow_id)

    async def definitions(self, workflow_ids: Collection[UUID]) -> Mapping[UUID, Definition]:
        """The present definitions of those that exist."""
        rows = await self.database.fetch(_SQL["definitions"], list(workflow_ids))
        return {
            row["id"]: Definition(row["id"], row["amc_workflow_id"], declared_of(row["parameters"]))
            for row in rows
        }


def _existing(row: Record | None, workflow_id: UUID) -> Record:
    if row is None:
        raise NotFound(f"There is no workflow {show(WORKFLOW_PREFIX, workflow_id)}.")
    return row


def _workflow(row: Record) -> Workflow:
    members = dict(row)
    members["parameters"] = declared_of(members["parameters"])
    return Workflow(**members)
