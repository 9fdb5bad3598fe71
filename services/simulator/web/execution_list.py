"""One page of an instance's executions by the filters of section 1.3."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import islice

from starlette.requests import Request

from services.simulator.execution import Execution, Status, as_of
from services.simulator.refusal import Refusal
from services.simulator.switches import Switches
from services.simulator.web.paging import flag, next_token, page_limit, page_token
from services.simulator.windows import parse_time, parse_zone
from services.simulator.world import Instance


def select_page(
    instance: Instance, request: Request, switches: Switches
) -> tuple[list[Execution], str | None, bool]:
    """The page, the nextToken if there is more, and whether SQL is wanted.

    A token holds a place in the order of creation, so that executions made while somebody turns
    pages neither shift nor repeat a row.
    """
    query = request.query_params
    workflow_id = query.get("workflowId") or None
    if workflow_id is None and not query.get("minCreationTime"):
        text = "Either workflowId or minCreationTime must be provided."
        raise Refusal(switches.list_filter_status, text)
    ascending = flag(request, "sortAscending")
    with_cancelled = flag(request, "includeCancelled")
    low, high = _creation_range(instance, request)
    then = request.state.at - switches.list_lag_seconds
    if switches.list_lag_seconds:
        seen = bisect_right(instance.executions, then, key=lambda execution: execution.created_at)
        high = max(low, min(high, seen))
    place = _place(page_token(request))
    if place is not None:
        low, high = (max(low, place), high) if ascending else (low, min(high, place + 1))
    numbers = range(low, high) if ascending else range(high - 1, low - 1, -1)
    wanted = (
        execution
        for execution in (as_of(instance.executions[number], then) for number in numbers)
        if not execution.hidden
        and (workflow_id is None or execution.order.workflow_id == workflow_id)
        and (with_cancelled or execution.status is not Status.CANCELLED)
    )
    page, more = _cut(wanted, request)
    return page, more, flag(request, "includeWorkflow")


def _cut(wanted: Iterable[Execution], request: Request) -> tuple[list[Execution], str | None]:
    limit = page_limit(request)
    found = list(islice(wanted, limit + 1))
    more = next_token(request, str(found[limit].number)) if len(found) > limit else None
    return found[:limit], more


def _place(token: str | None) -> int | None:
    if token is None:
        return None
    if not token.isascii() or not token.isdigit():
        raise Refusal(400, "Invalid nextToken.")
    return int(token[:18])


def _creation_range(instance: Instance, request: Request) -> tuple[int, int]:
    """Positions of the executions created between the two times, both inclusive.

    createTime is shown in whole seconds, so the comparison is by whole seconds too.
    """
    query = request.query_params
    zone = parse_zone(query.get("timeZone") or "UTC")
    low, high = 0, len(instance.executions)
    if text := query.get("minCreationTime"):
        least = parse_time(text, "minCreationTime", zone).timestamp()
        low = bisect_left(instance.executions, least, key=_created_second)
    if text := query.get("maxCreationTime"):
        most = parse_time(text, "maxCreationTime", zone).timestamp()
        high = bisect_right(instance.executions, most, key=_created_second)
    return low, max(low, high)


def _created_second(execution: Execution) -> int:
    return int(execution.created_at)
