"""What AMC has and no row of ours knows: asked for, read, adopted, cancelled.

The API asks no question of AMC: a worker compares, within the rate budget, and stores the answer.
"""

# ruff: noqa: FAST003 - the dependency that reads the id reads it from the path

from enum import StrEnum
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.api.dependencies import State, Who
from services.api.paging import AskedPage, Page, read_number, read_uuid, wrap
from services.api.schemas.reconciliations import (
    FindingOut,
    ReconciliationIn,
    ReconciliationOut,
    ReconciliationsOut,
    show_finding,
    show_reconciliation,
)
from shared.db.workflows import BEFORE_ALL
from shared.domain.errors import NotFound
from shared.domain.ids import RECONCILIATION_PREFIX, read
from shared.observability.logs import get_logger

log = get_logger()

router = APIRouter(prefix="/admin/reconciliations", tags=["admin"])

_LIST = "reconciliations"
_FINDINGS = "findings"


class FindingKind(StrEnum):
    """What an execution that no row owns seems to be."""

    IN_DOUBT = "in_doubt"
    STRAY = "stray"
    FOREIGN = "foreign"


async def _id(reconciliation_id: str) -> UUID:
    return read(RECONCILIATION_PREFIX, reconciliation_id, what="reconciliation")


async def _amc_id(amc_execution_id: str) -> str:
    if "\x00" in amc_execution_id:
        raise NotFound("No execution at AMC has such an id.")
    return amc_execution_id


Id = Annotated[UUID, Depends(_id)]
AmcId = Annotated[str, Depends(_amc_id)]


@router.post("", status_code=HTTPStatus.ACCEPTED)
async def reconcile(body: ReconciliationIn, state: State, who: Who) -> ReconciliationsOut:
    """Compare one instance, or all of them, with AMC. Ask for the result by its id."""
    instances = None
    if body.instance_id is not None:
        instances = [(await state.instances.get(body.instance_id)).key]
    runs = await state.reconciliations.ask(instances, since=body.since, by=who.owner)
    log.info("reconciliation_asked", by=who.owner, instances=len(runs))
    return ReconciliationsOut(items=[show_reconciliation(run) for run in runs])


@router.get("")
async def list_reconciliations(
    state: State,
    paging: AskedPage,
    instance_id: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[ReconciliationOut]:
    """All comparisons, newest first."""
    if instance_id is not None and "\x00" in instance_id:
        raise NotFound("No instance has such an id.")
    before = read_uuid(paging.cursor, _LIST, first=BEFORE_ALL)
    rows = await state.reconciliations.page(
        instance_id=instance_id, before=before, limit=paging.fetch
    )
    return paging.page(rows, show_reconciliation, lambda row: wrap(_LIST, row.id))


@router.get("/{reconciliation_id}")
async def read_reconciliation(reconciliation: Id, state: State) -> ReconciliationOut:
    """One comparison, with the number of what it has found."""
    return show_reconciliation(await state.reconciliations.get(reconciliation))


@router.get("/{reconciliation_id}/executions")
async def list_findings(
    reconciliation: Id, state: State, paging: AskedPage, kind: FindingKind | None = None
) -> Page[FindingOut]:
    """Executions at AMC that no row of ours owned when it ran."""
    await state.reconciliations.get(reconciliation)
    after = read_number(paging.cursor, _FINDINGS)
    rows = await state.reconciliations.findings(
        reconciliation, kind=kind, after=after, limit=paging.fetch
    )
    return paging.page(rows, show_finding, lambda row: wrap(_FINDINGS, row.id))


@router.post("/{reconciliation_id}/executions/{amc_execution_id}/adopt")
async def adopt_finding(
    reconciliation: Id, amc_execution_id: AmcId, state: State, who: Who
) -> FindingOut:
    """Make it an execution of ours: what has ended well is downloaded, what runs is followed.

    Where a create of ours is in doubt for the same workflow, that doubt is settled instead.
    """
    await state.reconciliations.adopt(
        reconciliation, amc_execution_id, by=who.owner, request_id=who.request_id
    )
    state.wake_relay()
    log.info("finding_adopted", by=who.owner, amc_execution_id=amc_execution_id)
    return show_finding(await state.reconciliations.finding(reconciliation, amc_execution_id))


@router.post(
    "/{reconciliation_id}/executions/{amc_execution_id}/cancel", status_code=HTTPStatus.ACCEPTED
)
async def cancel_finding(
    reconciliation: Id, amc_execution_id: AmcId, state: State, who: Who
) -> FindingOut:
    """Have AMC cancel an execution that carries our mark; nobody else's is touched."""
    await state.reconciliations.cancel(reconciliation, amc_execution_id, by=who.owner)
    state.wake_relay()
    log.info("finding_cancelled", by=who.owner, amc_execution_id=amc_execution_id)
    return show_finding(await state.reconciliations.finding(reconciliation, amc_execution_id))
