"""What the simulator saw, for tests that check a client: counters, journal, executions."""

import asyncio
import hashlib
from collections import Counter
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.clock import iso_millis
from services.simulator.execution import Execution
from services.simulator.refusal import Refusal
from services.simulator.results.file import ResultFile
from services.simulator.simulator import Simulator
from services.simulator.traffic import Tally, Traffic
from services.simulator.web.answers import answer
from services.simulator.world import Account, Instance

_MAX_PAGE = 10_000
_MAX_SHOWN_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Witness:
    """Stats, journal and the list of every execution ever made."""

    simulator: Simulator

    def routes(self) -> list[Route]:
        return [
            Route("/_simulator/stats", self.stats, methods=["GET"]),
            Route("/_simulator/reset-stats", self.reset_stats, methods=["POST"]),
            Route("/_simulator/journal", self.journal, methods=["GET"]),
            Route("/_simulator/executions", self.executions, methods=["GET"]),
            Route("/_simulator/executions/{execution_id}/parts", self.parts, methods=["GET"]),
        ]

    async def stats(self, _request: Request) -> Response:
        simulator = self.simulator
        instances = {i.id: _instance(i) for i in simulator.world.instances.values()}
        tallies = [i.traffic.tally for i in simulator.world.instances.values()]
        return answer(
            {
                "instances": instances,
                "accounts": {key: _account(a) for key, a in simulator.world.accounts.items()},
                "totals": _totals([*tallies, simulator.elsewhere]),
                "token_refreshes": simulator.tokens.refreshes,
                "token_requests_refused": simulator.tokens.refused,
                "store_by_status": simulator.store_by_status,
            }
        )

    async def reset_stats(self, _request: Request) -> Response:
        """Zeroes the counters; peaks start again from what is there now."""
        simulator = self.simulator
        for instance in simulator.world.instances.values():
            traffic = instance.traffic
            traffic.tally = Tally(peak_active=instance.active, peak_running=instance.running)
            traffic.arrived.reset_peak()
            traffic.accepted.reset_peak()
        for account in simulator.world.accounts.values():
            account.peak_active, account.peak_running = account.active, account.running
        simulator.elsewhere = Tally()
        simulator.store_by_status.clear()
        simulator.tokens.refreshes = simulator.tokens.refused = 0
        return answer({"reset": True})

    async def journal(self, request: Request) -> Response:
        """Entries after a number, oldest first, up to `limit`."""
        entries = self.simulator.journal.after(_number(request, "after", 0), _limit(request))
        return answer({"entries": entries})

    async def executions(self, request: Request) -> Response:
        """Every execution of one instance, or of all, in order of creation."""
        instance_id = request.query_params.get("instance_id")
        after, limit = _number(request, "after", 0), _limit(request)
        found = [
            execution
            for instance in self.simulator.world.instances.values()
            if instance_id in {None, "", instance.id}
            for execution in instance.executions
        ]
        found.sort(key=lambda execution: execution.created_at)
        page = found[after : after + limit]
        for execution in page:
            await self._hash(execution)
        return answer({"total": len(found), "executions": [_execution(e) for e in page]})

    async def parts(self, request: Request) -> Response:
        """The files of one result, as they are before any fault strikes them."""
        execution = self.simulator.engine.find(str(request.path_params["execution_id"]))
        if execution is None or not execution.has_result:
            raise Refusal(404, "There is no execution of this id with a result.")
        await self.simulator.results.ready(execution)
        table = self.simulator.results.table(execution)
        if table.size(0, table.rows) > _MAX_SHOWN_BYTES:
            raise Refusal(400, f"The result is larger than {_MAX_SHOWN_BYTES} bytes.")
        shown = []
        for start, stop in self.simulator.results.parts(execution):
            content = b"".join([table.header, *table.chunks(start, stop)])
            shown.append(
                {
                    "rows": stop - start,
                    "sizeBytes": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "content": content.decode(),
                }
            )
            await asyncio.sleep(0)
        return answer({"id": execution.id, "parts": shown})

    async def _hash(self, execution: Execution) -> None:
        """Works out the SHA-256 once, letting other requests in after every tile."""
        if execution.sha256 is not None or not execution.has_result:
            return
        try:
            await self.simulator.results.ready(execution)
        except Refusal:
            # Lost; the others are still to be told of.
            return
        table = self.simulator.results.table(execution)
        if isinstance(table, ResultFile):
            execution.sha256 = table.sha256
            return
        digest = hashlib.sha256(table.header)
        for chunk in table.chunks(0, table.rows):
            digest.update(chunk)
            await asyncio.sleep(0)
        execution.sha256 = digest.hexdigest()


def _limit(request: Request) -> int:
    return min(_number(request, "limit", _MAX_PAGE), _MAX_PAGE)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name) or str(default)
    if not text.isascii() or not text.isdigit():
        raise Refusal(400, f"{name} must be a number.")
    return int(text[:18])


def _instance(instance: Instance) -> dict[str, object]:
    return {
        **_traffic(instance.traffic),
        **_tally(instance.traffic.tally),
        "active_now": instance.active,
        "running_now": instance.running,
    }


def _account(account: Account) -> dict[str, object]:
    return {
        "active_now": account.active,
        "running_now": account.running,
        "peak_active": account.peak_active,
        "peak_running": account.peak_running,
    }


def _traffic(traffic: Traffic) -> dict[str, object]:
    return {
        "peak_arrived_per_second": traffic.arrived.peak,
        "peak_accepted_per_second": traffic.accepted.peak,
    }


def _tally(tally: Tally) -> dict[str, object]:
    reasons = {reason: tally.throttled[reason] for reason in ("rate", "concurrency", "forced")}
    return {
        "requests": tally.requests,
        "by_status": tally.by_status,
        "throttled": reasons,
        "workflows_created": tally.workflows_created,
        "executions_created": tally.executions_created,
        "executions_cancelled": tally.executions_cancelled,
        "finished": tally.finished,
        "peak_active": tally.peak_active,
        "peak_running": tally.peak_running,
    }


def _totals(tallies: list[Tally]) -> dict[str, object]:
    """Sums; the peaks are those of the busiest instance."""
    total = Tally()
    for tally in tallies:
        total.requests += tally.requests
        total.workflows_created += tally.workflows_created
        total.executions_created += tally.executions_created
        total.executions_cancelled += tally.executions_cancelled
        total.peak_active = max(total.peak_active, tally.peak_active)
        total.peak_running = max(total.peak_running, tally.peak_running)
    total.by_status = sum((t.by_status for t in tallies), Counter())
    total.throttled = sum((t.throttled for t in tallies), Counter())
    total.finished = sum((t.finished for t in tallies), Counter())
    return _tally(total)


def _execution(execution: Execution) -> dict[str, object]:
    order = execution.order
    started, ended = execution.started_at, execution.finished_at
    return {
        "id": execution.id,
        "instanceId": execution.instance.id,
        "workflowId": order.workflow_id,
        "timeWindowStart": order.window.start_utc,
        "timeWindowEnd": order.window.end_utc,
        "timeWindowTimeZone": order.window.zone,
        "parameterValues": dict(order.parameter_values),
        "workflowExecutionTimeoutSeconds": order.body.workflow_execution_timeout_seconds,
        "createTime": iso_millis(execution.created_at),
        "startTime": iso_millis(started) if started is not None else None,
        "finishTime": iso_millis(ended) if ended is not None else None,
        "status": execution.status.value,
        "statusReason": execution.status_reason,
        "rows": execution.rows if execution.has_result else None,
        "sha256": execution.sha256,
    }
