"""Instances as they come in and go out; their id is Amazon's."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from services.api.schemas.accounts import AmazonId, Concurrency
from services.api.schemas.credentials import Region
from shared.db.instances import Instance, LimitsNow, QueuedExecution
from shared.domain.ids import ACCOUNT_PREFIX, EXECUTION_PREFIX, WORKFLOW_PREFIX, show
from shared.domain.windows import known_zones
from shared.intake.models import Name, Strict, Text


class InstanceType(StrEnum):
    """Amazon's two kinds."""

    STANDARD = "STANDARD"
    SANDBOX = "SANDBOX"


def _known_zone(name: str) -> str:
    if name not in known_zones():
        raise ValueError("is not a zone of the tz database, such as Europe/Berlin")
    return name


Zone = Annotated[Text, Field(max_length=64), AfterValidator(_known_zone)]
RequestRate = Annotated[int, Field(ge=1, le=100_000)]
Quota = Annotated[int, Field(ge=1, le=1_000_000)]


class InstanceIn(Strict):
    """An AMC instance. The limits' defaults are Amazon's own; raise them where yours are higher."""

    instance_id: AmazonId
    account_id: Annotated[Text, Field(max_length=200)]
    name: Name | None = None
    region: Region = Region.NA
    instance_type: InstanceType = InstanceType.STANDARD
    max_concurrent_executions: Concurrency = 10
    max_requests_per_second: RequestRate = 10
    daily_execution_quota: Quota | None = None
    quota_time_zone: Zone = "UTC"


class InstancePatch(Strict):
    """What is left out stays; a `daily_execution_quota` of null takes the quota away."""

    name: Name | None = None
    max_concurrent_executions: Concurrency | None = None
    max_requests_per_second: RequestRate | None = None
    daily_execution_quota: Quota | None = None
    quota_time_zone: Zone | None = None


class PauseIn(Strict):
    """Why nothing more may start."""

    reason: Annotated[Text, Field(max_length=500)] = ""


class InstanceOut(BaseModel):
    """An instance; `id` and `instance_id` are the same."""

    id: str
    instance_id: str
    account_id: str
    name: str
    region: str
    instance_type: str
    max_concurrent_executions: int
    max_requests_per_second: int
    daily_execution_quota: int | None
    quota_time_zone: str
    paused: bool
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    created_at: datetime
    updated_at: datetime


class LimitsOut(BaseModel):
    """Limits beside what is used of them now. A time is null where nothing is held back."""

    instance_id: str
    max_concurrent_executions: int
    max_requests_per_second: int
    daily_execution_quota: int | None
    in_use: int
    queued: int
    quota_left: int | None
    account_max_concurrent_executions: int
    account_in_use: int
    paused: bool
    requests_paused_until: datetime | None
    admission_paused_until: datetime | None
    credential_status: str | None


class QueuedOut(BaseModel):
    """One place in line, 1 is next."""

    position: int
    id: str
    workflow_id: str
    owner: str
    priority: int
    created_at: datetime


class QueueOut(BaseModel):
    """The next executions of an instance, in the order in which they will be admitted."""

    instance_id: str
    queued: int
    items: list[QueuedOut]


def show_instance(instance: Instance) -> InstanceOut:
    return InstanceOut(
        id=instance.amc_instance_id,
        instance_id=instance.amc_instance_id,
        account_id=show(ACCOUNT_PREFIX, instance.account_id),
        name=instance.name,
        region=instance.region,
        instance_type=instance.instance_type,
        max_concurrent_executions=instance.max_concurrent_executions,
        max_requests_per_second=instance.max_requests_per_second,
        daily_execution_quota=instance.daily_execution_quota,
        quota_time_zone=instance.quota_time_zone,
        paused=instance.paused_at is not None,
        paused_at=instance.paused_at,
        paused_by=instance.paused_by,
        pause_reason=instance.pause_reason,
        created_at=instance.created_at,
        updated_at=instance.updated_at,
    )


def show_limits(instance: Instance, now: LimitsNow) -> LimitsOut:
    quota = instance.daily_execution_quota
    return LimitsOut(
        instance_id=instance.amc_instance_id,
        max_concurrent_executions=instance.max_concurrent_executions,
        max_requests_per_second=instance.max_requests_per_second,
        daily_execution_quota=quota,
        in_use=now.in_use,
        queued=now.queued,
        quota_left=None if quota is None else max(quota - now.admitted_today, 0),
        account_max_concurrent_executions=now.account_max_concurrent_executions,
        account_in_use=now.account_in_use,
        paused=instance.paused_at is not None,
        requests_paused_until=now.requests_paused_until,
        admission_paused_until=now.admission_paused_until,
        credential_status=now.credential_status,
    )


def show_queued(position: int, execution: QueuedExecution) -> QueuedOut:
    return QueuedOut(
        position=position,
        id=show(EXECUTION_PREFIX, execution.id),
        workflow_id=show(WORKFLOW_PREFIX, execution.workflow_id),
        owner=execution.owner,
        priority=execution.priority,
        created_at=execution.created_at,
    )
