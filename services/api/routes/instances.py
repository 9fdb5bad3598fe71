"""AMC instances, by Amazon's id."""

# ruff: noqa: FAST003 - the dependency that finds the instance reads it from the path

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.api.dependencies import InstanceRow, Key, State, Who
from services.api.paging import AskedPage, Limit, Page, read_number, wrap
from services.api.schemas.instances import (
    InstanceIn,
    InstanceOut,
    InstancePatch,
    LimitsOut,
    PauseIn,
    QueueOut,
    show_instance,
    show_limits,
    show_queued,
)
from shared.db.instances import NewInstance
from shared.domain.ids import ACCOUNT_PREFIX, read
from shared.intake.idempotency import Remember

router = APIRouter(prefix="/instances", tags=["instances"])

_LIST = "instances"


@router.post("", status_code=HTTPStatus.CREATED)
async def create_instance(
    *, body: InstanceIn, state: State, key: Key, response: Response
) -> InstanceOut:
    """Register an AMC instance of an account."""
    account = await state.accounts.get(read(ACCOUNT_PREFIX, body.account_id, what="account"))

    async def work(remember: Remember[InstanceOut]) -> InstanceOut:
        new = NewInstance(
            amc_instance_id=body.instance_id,
            account=account.key,
            name=body.name or body.instance_id,
            region=body.region.value,
            instance_type=body.instance_type.value,
            max_concurrent_executions=body.max_concurrent_executions,
            max_requests_per_second=body.max_requests_per_second,
            daily_execution_quota=body.daily_execution_quota,
            quota_time_zone=body.quota_time_zone,
        )
        row = await state.instances.create(new, lambda row: remember(show_instance(row)))
        return show_instance(row)

    created = await state.once.answer(key.of("create_instance", "", body), InstanceOut, work)
    response.headers["Location"] = f"/api/v1/instances/{created.id}"
    return created


@router.get("")
async def list_instances(
    state: State,
    paging: AskedPage,
    account_id: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[InstanceOut]:
    """All instances, or those of one account, oldest first."""
    account = None if account_id is None else read(ACCOUNT_PREFIX, account_id, what="account")
    rows = await state.instances.page(
        account=account, after=read_number(paging.cursor, _LIST), limit=paging.fetch
    )
    return paging.page(rows, show_instance, lambda row: wrap(_LIST, row.key))


@router.get("/{instance_id}")
async def read_instance(instance: InstanceRow) -> InstanceOut:
    """One instance with its limits."""
    return show_instance(instance)


@router.patch("/{instance_id}")
async def change_instance(instance: InstanceRow, body: InstancePatch, state: State) -> InstanceOut:
    """Change its limits; a raised one lets queued executions start at once."""
    await state.instances.update(
        instance.amc_instance_id, name=body.name, quota_time_zone=body.quota_time_zone
    )
    await state.control.change_instance_limits(
        instance.key,
        max_concurrent_executions=body.max_concurrent_executions,
        max_requests_per_second=body.max_requests_per_second,
        daily_execution_quota=body.daily_execution_quota,
        is_quota_given="daily_execution_quota" in body.model_fields_set,
    )
    state.wake_relay()
    return show_instance(await state.instances.get(instance.amc_instance_id))


@router.post("/{instance_id}/pause")
async def pause_instance(
    instance: InstanceRow, state: State, who: Who, body: PauseIn | None = None
) -> InstanceOut:
    """Start nothing more here. What is at AMC goes on, and requests are still accepted."""
    reason = body.reason if body else ""
    await state.control.pause_instance(instance.key, by=who.owner, reason=reason)
    return show_instance(await state.instances.get(instance.amc_instance_id))


@router.post("/{instance_id}/resume")
async def resume_instance(instance: InstanceRow, state: State) -> InstanceOut:
    """Start what waits, as far as limits allow."""
    await state.control.resume_instance(instance.key)
    state.wake_relay()
    return show_instance(await state.instances.get(instance.amc_instance_id))


@router.get("/{instance_id}/limits")
async def read_limits(instance: InstanceRow, state: State) -> LimitsOut:
    """Its limits beside what is used of them now."""
    return show_limits(instance, await state.instances.limits_now(instance.key))


@router.get("/{instance_id}/queue")
async def read_queue(instance: InstanceRow, state: State, limit: Limit = 50) -> QueueOut:
    """The next executions, in the order in which they will be admitted."""
    rows = await state.instances.queue(instance.key, limit=limit)
    now = await state.instances.limits_now(instance.key)
    return QueueOut(
        instance_id=instance.amc_instance_id,
        queued=now.queued,
        items=[show_queued(position, row) for position, row in enumerate(rows, start=1)],
    )
