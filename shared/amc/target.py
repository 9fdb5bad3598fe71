"""Whom a call is for and what it asks: the values a caller hands to `AmcClient`.

Only Amazon's own ids appear in URLs; `instance` is our row number and serves the rate budget
and the call log alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import quote
from zoneinfo import ZoneInfo

from shared.domain.ids import (
    AmcInstanceId,
    AmcWorkflowId,
    EntityId,
    InstanceKey,
    MarketplaceId,
)


@dataclass(frozen=True, slots=True)
class AmcTarget:
    """One instance at AMC, as every reporting call needs it."""

    amc_instance_id: AmcInstanceId
    entity_id: EntityId
    marketplace_id: MarketplaceId
    instance: InstanceKey
    base_url: str

    def path(self, *parts: str) -> str:
        """The path under this instance; each part is percent-encoded whole."""
        return "/".join(("/amc/reporting", *map(path_part, (self.amc_instance_id, *parts))))


def path_part(text: str) -> str:
    """One path segment: no character of it can start another, and no dots walk up the tree."""
    if not text:
        raise ValueError("an id in a path of AMC must not be empty")
    encoded = quote(text, safe="")
    return encoded.replace(".", "%2E") if not encoded.strip(".") else encoded


class TimeWindowType(StrEnum):
    """AMC's whole list; EXPLICIT alone takes a start and an end."""

    ALL = "ALL"
    CURRENT_MONTH = "CURRENT_MONTH"
    EXPLICIT = "EXPLICIT"
    MOST_RECENT_DAY = "MOST_RECENT_DAY"
    MOST_RECENT_WEEK = "MOST_RECENT_WEEK"
    PREVIOUS_MONTH = "PREVIOUS_MONTH"


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The data an execution reads. A naive time is in `time_zone`, an aware one is moved there:
    AMC takes local times without an offset."""

    type: TimeWindowType = TimeWindowType.MOST_RECENT_DAY
    start: datetime | None = None
    end: datetime | None = None
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        explicit = self.type is TimeWindowType.EXPLICIT
        if (self.start is not None, self.end is not None) != (explicit, explicit):
            raise ValueError("a start and an end go with an EXPLICIT time window, and only there")

    def members(self) -> dict[str, str]:
        """As members of the request body."""
        found = {"timeWindowType": self.type.value, "timeWindowTimeZone": self.time_zone}
        if self.start is not None and self.end is not None:
            found["timeWindowStart"] = self._local(self.start)
            found["timeWindowEnd"] = self._local(self.end)
        return found

    def _local(self, moment: datetime) -> str:
        if moment.tzinfo is not None:
            moment = moment.astimezone(ZoneInfo(self.time_zone))
        return moment.replace(tzinfo=None).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class ExecutionRequest:
    """One execution of a workflow that AMC already knows."""

    amc_workflow_id: AmcWorkflowId
    time_window: TimeWindow
    parameter_values: Mapping[str, object] = field(default_factory=dict)
    timeout_seconds: int | None = None
    """900 to 86400; carries our marker, see DESIGN 4."""

    def body(self) -> dict[str, object]:
        """The request body; AMC drops members it does not know, so nothing else is sent."""
        body: dict[str, object] = {"workflowId": self.amc_workflow_id, **self.time_window.members()}
        if self.parameter_values:
            body["parameterValues"] = dict(self.parameter_values)
        if self.timeout_seconds is not None:
            body["workflowExecutionTimeoutSeconds"] = self.timeout_seconds
        return body


@dataclass(frozen=True, slots=True)
class WorkflowParameter:
    """A declared input parameter, named by CUSTOM_PARAMETER in the SQL."""

    name: str
    data_type: str = "STRING"
    default_value: str | None = None

    def member(self) -> dict[str, str]:
        """As one item of `inputParameters`."""
        item = {"name": self.name, "dataType": self.data_type}
        if self.default_value is not None:
            item["defaultValue"] = self.default_value
        return item
