"""An execution as AMC shows it: members left out when there is nothing to say, alphabetical."""

import re
from dataclasses import dataclass

from services.simulator.bodies import ExecutionBody
from services.simulator.catalogue import Column
from services.simulator.clock import iso_millis, iso_seconds, moment
from services.simulator.execution import ACTIVE, Execution, Status
from services.simulator.results.build import columns_of

_EXPIRES_AFTER = 86_400.0
_WAITS_BEFORE = 3_600.0
_INVALIDATION_OFFSET = 266_400
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


@dataclass(frozen=True, slots=True)
class View:
    """When somebody looks, and what the switches let them see."""

    now: float
    publishing: float = 0.0
    """Seconds of wall time: the end of a run that is shown as PUBLISHING."""
    time_scale: float = 1.0
    output_channels: bool = False

    def publishes_since(self, execution: Execution) -> float | None:
        """When the result began to be written out; None if it is not being written."""
        order, started = execution.order, execution.started_at
        will_fail = order.query.directives.fail is not None
        if execution.status is not Status.RUNNING or started is None or order.body.skip_publish:
            return None
        timeout = order.body.workflow_execution_timeout_seconds
        if will_fail or not self.publishing or execution.run_seconds > timeout:
            return None
        since = max(started, started + execution.run_seconds / self.time_scale - self.publishing)
        return since if since <= self.now else None


def render_execution(
    execution: Execution, view: View, *, with_sql: bool = False
) -> dict[str, object]:
    """The members of section 1.6 for the execution's present state."""
    order = execution.order
    members: dict[str, object] = {
        "createTime": iso_seconds(execution.created_at),
        "dataGaps": [],
        "disableAggregationControls": execution.disable_aggregation_controls,
        "executionCategory": "AD_HOC" if order.cadence == "adhoc" else "SCHEDULED",
        "expireTime": iso_seconds(execution.created_at + _EXPIRES_AFTER),
        "ignoreDataGaps": order.body.ignore_data_gaps,
        "lastUpdatedTime": iso_seconds(execution.updated_at),
        "parameterValues": dict(order.parameter_values),
        "status": execution.status.value,
        "timeWindowTimeZoneOriginal": order.window.zone,
        "waitUntil": iso_seconds(execution.created_at - _WAITS_BEFORE),
        "workflowExecutionId": execution.id,
        "workflowExecutionTimeoutSeconds": order.body.workflow_execution_timeout_seconds,
        "workflowId": order.workflow_id,
    }
    if order.window.explicit or execution.status is not Status.PENDING:
        members |= _window(execution)
    members |= _asked(order.body)
    if execution.validated_at is not None:
        members["validatedTime"] = iso_millis(execution.validated_at)
    if execution.status_reason is not None:
        members["statusReason"] = execution.status_reason
    if execution.status is Status.SUCCEEDED:
        members |= _outcome(execution)
    if with_sql:
        members["sqlQuery"] = order.query.sql
    if (since := view.publishes_since(execution)) is not None:
        members |= {"status": "PUBLISHING", "lastUpdatedTime": iso_seconds(since)}
    if view.output_channels:
        members["outputChannels"] = _channels(execution)
    return dict(sorted(members.items()))


def _asked(body: ExecutionBody) -> dict[str, object]:
    """Members that are shown only if the request had them."""
    shown: dict[str, object] = {}
    if body.require_synthetic_data:
        shown["requireSyntheticData"] = True
    if body.advertisers is not None:
        shown["advertisers"] = [
            advertiser.model_dump(by_alias=True, exclude_none=True)
            for advertiser in body.advertisers
        ]
    return shown


def _channels(execution: Execution) -> list[dict[str, object]]:
    """The ways to the result: a download always, and the customer's bucket if there is one."""
    kinds = ["DOWNLOAD", *(["PUBLISH"] if execution.instance.entry.s3_bucket_name else [])]
    state: dict[str, object] = {"status": "PENDING"}
    if execution.has_result:
        state = {"status": "AVAILABLE"}
    elif execution.status not in ACTIVE:
        reason = f"The execution is {execution.status} and has written no result."
        state = {"status": "UNAVAILABLE", "statusReason": reason}
    return [{"channel": {"type": kind}, **state} for kind in kinds]


def output_uri(execution: Execution) -> str:
    """Where AMC would put the result in the customer's bucket; `N/A` without one."""
    bucket = execution.instance.entry.s3_bucket_name
    if not bucket or not execution.has_result:
        return "N/A"
    order, day = execution.order, f"{moment(execution.created_at):%Y-%m-%d}"
    folder = f"workflow={order.workflow_id}/schedule={order.cadence}"
    return f"s3://{bucket}/{folder}/{day}-{order.workflow_id}-ver1.csv"


def _window(execution: Execution) -> dict[str, object]:
    window = execution.order.window
    return {
        "timeWindowStart": window.start_utc,
        "timeWindowEnd": window.end_utc,
        "timeWindowStartOriginal": window.start_original,
        "timeWindowEndOriginal": window.end_original,
    }


def _outcome(execution: Execution) -> dict[str, object]:
    return {
        "availableTimeBeforeWindowSecs": 0,
        "executionTime": round(execution.run_seconds),
        "invalidationOffsetSecs": _INVALIDATION_OFFSET,
        "outputColumns": [_output_column(column) for column in columns_of(execution)],
        "outputS3URI": output_uri(execution),
    }


def _output_column(column: Column) -> dict[str, object]:
    shown: dict[str, object] = {
        "columnType": column.column_type,
        "dataType": column.data_type.partition("(")[0].partition("<")[0],
        "name": column.name,
    }
    if decimal := _DECIMAL.fullmatch(column.data_type):
        shown |= {"precision": int(decimal[1]), "scale": int(decimal[2])}
    return shown
