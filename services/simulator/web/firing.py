"""The schedules with their firings, and one fired by hand, under /_simulator/."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.bodies import read_object
from services.simulator.clock import iso_seconds
from services.simulator.refusal import Refusal
from services.simulator.schedule import Schedule
from services.simulator.web.answers import answer
from services.simulator.web.calendar import Calendar
from services.simulator.web.misuse import bad_request
from services.simulator.world import Instance


class _Choice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    instance_id: str
    schedule_id: str


@dataclass(frozen=True, slots=True)
class Firing:
    """GET schedules, POST schedules/fire."""

    calendar: Calendar

    def routes(self) -> list[Route]:
        return [
            Route("/_simulator/schedules", self.show, methods=["GET"]),
            Route("/_simulator/schedules/fire", self.fire, methods=["POST"]),
        ]

    async def show(self, _request: Request) -> Response:
        """Every schedule with its next and its last firing."""
        shown = [_shown(instance, schedule) for instance, schedule in self.calendar.schedules()]
        return answer({"schedules": shown})

    async def fire(self, request: Request) -> Response:
        """Fires one now, for the last whole period; its own hours stay as they are."""
        try:
            wanted = _Choice.model_validate(read_object(await request.body()))
        except ValidationError as problem:
            raise bad_request(problem) from None
        instance = self.calendar.simulator.world.instances.get(wanted.instance_id)
        schedule = instance.schedules.get(wanted.schedule_id) if instance is not None else None
        if instance is None or schedule is None:
            raise Refusal(404, f"There is no schedule {wanted.schedule_id} on that instance.")
        at: float = request.state.at
        self.calendar.fire(instance, schedule, schedule.hour_before(at), at)
        return answer(_shown(instance, schedule))


def _shown(instance: Instance, schedule: Schedule) -> dict[str, object]:
    following, fired = schedule.next_after(schedule.since), schedule.fired_at
    return {
        "instance_id": instance.id,
        "schedule_id": schedule.body.schedule_id,
        "workflow_id": schedule.body.workflow_id,
        "next": None if following is None else iso_seconds(following),
        "fired": None if fired is None else iso_seconds(fired),
        "refusal": schedule.refusal,
    }
