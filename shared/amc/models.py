"""What we read of AMC's answers: strict about ids, tolerant about everything else.

Unknown members are ignored and missing ones are None. Bodies come flat, though Amazon's
specification wraps them (AMC_API 1.2): both are read. A list with an item that has no id is
UndecodableAnswer as a whole: leaving the item out could make an execution seem absent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

from shared.amc.bodies import UndecodableAnswer, clean
from shared.domain.ids import AmcExecutionId, AmcInstanceId, AmcWorkflowId, EntityId, MarketplaceId

Members = Mapping[str, object]

UNKNOWN_STATUS: Final = "UNKNOWN"
_MAX_ID_CHARS: Final = 512
_MAX_TEXT_CHARS: Final = 8000
_MAX_SECONDS: Final = 10**9


class OutputColumn(NamedTuple):
    """A result column as AMC names and types it."""

    name: str
    data_type: str | None


@dataclass(frozen=True, slots=True)
class RemoteExecution:
    """An execution as AMC describes it."""

    amc_execution_id: AmcExecutionId
    amc_workflow_id: AmcWorkflowId
    status: str
    """AMC's word as it came, also one nobody has seen before."""
    status_reason: str | None = None
    created_at: datetime | None = None
    last_updated_at: datetime | None = None
    time_window_start: datetime | None = None
    time_window_end: datetime | None = None
    time_window_time_zone: str | None = None
    parameter_values: Members = field(default_factory=dict)
    timeout_seconds: int | None = None
    output_location: str | None = None
    output_columns: tuple[OutputColumn, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutionPage:
    """One page of a list, newest first."""

    executions: tuple[RemoteExecution, ...]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class DownloadLinks:
    """Pre-signed links: whoever has one can read the result, so they are not shown."""

    urls: tuple[str, ...] = field(repr=False)
    metadata_urls: tuple[str, ...] = field(repr=False, default=())


@dataclass(frozen=True, slots=True)
class AmcAccount:
    """An account the login may use."""

    entity_id: EntityId
    marketplace_id: MarketplaceId
    name: str | None = None


@dataclass(frozen=True, slots=True)
class AmcInstance:
    """An instance of an account."""

    amc_instance_id: AmcInstanceId
    name: str | None = None
    instance_type: str | None = None
    creation_status: str | None = None


def read_execution(body: Members) -> RemoteExecution:
    """Flat or wrapped."""
    members = _unwrapped(body, "workflowExecution")
    return RemoteExecution(
        amc_execution_id=AmcExecutionId(_id(members, "workflowExecutionId")),
        amc_workflow_id=AmcWorkflowId(_text(members, "workflowId") or ""),
        status=_text(members, "status") or UNKNOWN_STATUS,
        status_reason=_text(members, "statusReason"),
        created_at=_moment(members, "createTime"),
        last_updated_at=_moment(members, "lastUpdatedTime"),
        time_window_start=_moment(members, "timeWindowStart"),
        time_window_end=_moment(members, "timeWindowEnd"),
        time_window_time_zone=_text(members, "timeWindowTimeZoneOriginal")
        or _text(members, "timeWindowTimeZone"),
        parameter_values=_object(members, "parameterValues"),
        timeout_seconds=_seconds(members, "workflowExecutionTimeoutSeconds"),
        output_location=_location(members),
        output_columns=_columns(members),
    )


def read_execution_page(body: Members) -> ExecutionPage:
    """Absent, null and empty tokens all mean the last page."""
    items = tuple(read_execution(item) for item in _objects(body, "executions"))
    return ExecutionPage(items, next_token(body))


def read_download_links(body: Members) -> DownloadLinks:
    """Both lists; the links exactly as they came."""
    return DownloadLinks(_links(body, "downloadUrls"), _links(body, "metadataDownloadUrls"))


def read_accounts(body: Members) -> tuple[AmcAccount, ...]:
    """One page of /amc/accounts."""
    return tuple(
        AmcAccount(
            EntityId(_id(item, "accountId")),
            MarketplaceId(_id(item, "marketplaceId")),
            _text(item, "accountName"),
        )
        for item in _objects(body, "amcAccounts")
    )


def read_instances(body: Members) -> tuple[AmcInstance, ...]:
    """One page of /amc/instances."""
    return tuple(
        AmcInstance(
            AmcInstanceId(_id(item, "instanceId")),
            _text(item, "instanceName"),
            _text(item, "instanceType"),
            _text(item, "creationStatus"),
        )
        for item in _objects(body, "instances")
    )


def next_token(body: Members) -> str | None:
    """The token of the next page, opaque."""
    token = body.get("nextToken")
    return token if isinstance(token, str) and token else None


def _unwrapped(body: Members, name: str) -> Members:
    inner = body.get(name)
    return inner if isinstance(inner, dict) else body


def _id(members: Members, name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or value != clean(value, _MAX_ID_CHARS) or not value:
        raise UndecodableAnswer(f"{name} is missing or not an id")
    return value


def _text(members: Members, name: str) -> str | None:
    value = members.get(name)
    return (clean(value, _MAX_TEXT_CHARS) or None) if isinstance(value, str) else None


def _moment(members: Members, name: str) -> datetime | None:
    # Times come with Z, with milliseconds and Z, or bare; bare ones are UTC (AMC_API 1.6).
    value = members.get(name)
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _seconds(members: Members, name: str) -> int | None:
    value = members.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:  # noqa: PLR2004 - digits of _MAX_SECONDS
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _MAX_SECONDS else None


def _location(members: Members) -> str | None:
    text = _text(members, "outputS3URI")
    return None if text == "N/A" else text


def _columns(members: Members) -> tuple[OutputColumn, ...]:
    items = members.get("outputColumns")
    if not isinstance(items, list):
        return ()
    described = (item for item in items if isinstance(item, dict))
    named = ((_text(item, "name"), _text(item, "dataType")) for item in described)
    return tuple(OutputColumn(name, data_type) for name, data_type in named if name)


def _object(members: Members, name: str) -> Members:
    value = members.get(name)
    return value if isinstance(value, dict) else {}


def _objects(body: Members, name: str) -> Sequence[Members]:
    items = body.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UndecodableAnswer(f"{name} is missing or not a list of objects")
    return items


def _links(body: Members, name: str) -> tuple[str, ...]:
    items = body.get(name)
    if items is None:
        return ()
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise UndecodableAnswer(f"{name} is not a list of links")
    return tuple(items)
