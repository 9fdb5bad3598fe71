"""The schedule operations of the reporting API."""

import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.bodies import read_body
from services.simulator.clock import moment
from services.simulator.refusal import Refusal
from services.simulator.schedule import Schedule, ScheduleBody
from services.simulator.simulator import Simulator
from services.simulator.web.answers import SCHEDULES, answer, empty_object
from services.simulator.web.calendar import Calendar
from services.simulator.web.door import Door
from services.simulator.web.paging import next_token, page_limit, page_token
from services.simulator.web.workflows import unknown_workflow
from services.simulator.world import Instance

_BASE = "/amc/reporting/{instance_id}/schedules"
_ID = re.compile(r"[A-Za-z0-9._-]{1,256}")


@dataclass(frozen=True, slots=True)
class Schedules:
    """Create, read, list, replace and delete schedules; the calendar lets them fire."""

    simulator: Simulator
    door: Door
    calendar: Calendar

    def routes(self) -> list[Route]:
        item = _BASE + "/{schedule_id}"
        return [
            Route(_BASE, self.list_schedules, methods=["GET"]),
            Route(_BASE, self.create_schedule, methods=["POST"]),
            Route(item, self.get_schedule, methods=["GET"]),
            Route(item, self.update_schedule, methods=["PUT"]),
            Route(item, self.delete_schedule, methods=["DELETE"]),
        ]

    async def list_schedules(self, request: Request) -> Response:
        """By schedule id; the last page has no nextToken."""
        schedules = self.door.instance(request).schedules
        limit, after = page_limit(request), page_token(request) or ""
        found = sorted(name for name in schedules if name > after)
        page = [schedules[name].body.shown() for name in found[:limit]]
        more = {"nextToken": next_token(request, found[limit - 1])} if len(found) > limit else {}
        return answer({"schedules": page, **more}, SCHEDULES)

    async def create_schedule(self, request: Request) -> Response:
        instance = self.door.instance(request)
        body = read_body(ScheduleBody, await request.body())
        schedule_id = body.schedule_id or ""
        if not _ID.fullmatch(schedule_id):
            raise Refusal(400, "scheduleId must consist of letters, digits, '.', '_' and '-'.")
        if schedule_id in instance.schedules:
            raise Refusal(400, f"Schedule with ID {schedule_id} already exists.")
        self._put(instance, schedule_id, body, request)
        return empty_object()

    async def get_schedule(self, request: Request) -> Response:
        instance, schedule_id = self._named(request)
        return answer(instance.schedules[schedule_id].body.shown(), SCHEDULES)

    async def update_schedule(self, request: Request) -> Response:
        """The body is the whole new definition; its scheduleId, if any, is not looked at."""
        instance, schedule_id = self._named(request)
        body = read_body(ScheduleBody, await request.body())
        self._put(instance, schedule_id, body, request)
        return empty_object()

    async def delete_schedule(self, request: Request) -> Response:
        instance, schedule_id = self._named(request)
        del instance.schedules[schedule_id]
        return empty_object()

    def _put(
        self, instance: Instance, schedule_id: str, body: ScheduleBody, request: Request
    ) -> None:
        if body.aggregation_period is None:
            raise Refusal(400, "aggregationPeriod must be Daily or Weekly.")
        workflow_id = body.workflow_id or ""
        if workflow_id not in instance.workflows:
            raise unknown_workflow(workflow_id, self.simulator.switches)
        at: float = request.state.at
        completed = body.completed(schedule_id, moment(at).weekday())
        schedule = instance.schedules[schedule_id] = Schedule(completed, since=at)
        self.calendar.arm(instance, schedule)

    def _named(self, request: Request) -> tuple[Instance, str]:
        instance = self.door.instance(request)
        schedule_id = str(request.path_params["schedule_id"])
        if schedule_id not in instance.schedules:
            status = self.simulator.switches.unknown_schedule_status
            raise Refusal(status, f"Schedule with ID {schedule_id} does not exist.")
        return instance, schedule_id
