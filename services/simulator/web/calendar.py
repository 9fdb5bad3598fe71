"""Makes executions by the schedules, at their hours of the simulator's clock.

A firing is an event of the engine: it happens at its own time, however late somebody looks. After a
restart only the last of the hours that went by is made up for, so that a file of last month floods
nobody; what was fired before the restart is written down and not fired again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from services.simulator.bodies import ExecutionBody
from services.simulator.clock import moment
from services.simulator.execution import Cadence
from services.simulator.refusal import Refusal
from services.simulator.schedule import Schedule
from services.simulator.simulator import Simulator
from services.simulator.web.executions import Executions
from services.simulator.world import Instance

_FORM = "%Y-%m-%dT%H:%M:%S"


@dataclass(frozen=True, slots=True)
class Calendar:
    """Knows when the next schedule is due."""

    simulator: Simulator
    executions: Executions

    def restore(self) -> None:
        """Arms every schedule of an earlier process."""
        now = self.simulator.clock.now()
        for instance, schedule in self.schedules():
            missed = schedule.last_before(now)
            if missed is not None:
                self._at(instance, schedule, missed)
            else:
                self.arm(instance, schedule)

    def schedules(self) -> Iterator[tuple[Instance, Schedule]]:
        for instance in self.simulator.world.instances.values():
            for schedule in instance.schedules.values():
                yield instance, schedule

    def arm(self, instance: Instance, schedule: Schedule) -> None:
        """The schedule fires at the next of its hours; a disabled one does not."""
        following = schedule.next_after(schedule.since)
        if following is not None:
            self._at(instance, schedule, following)

    def fire(self, instance: Instance, schedule: Schedule, hour: float, at: float) -> None:
        """Makes the execution for the time up to `hour`, as of `at`."""
        schedule.fired_at, schedule.refusal = at, None
        cadence: Cadence = "daily" if schedule.period == timedelta(days=1) else "weekly"
        try:
            self.executions.create_scheduled(instance, _body(schedule, hour), at, cadence)
        except Refusal as refusal:
            schedule.refusal = refusal.details

    def _at(self, instance: Instance, schedule: Schedule, hour: float) -> None:
        delay = self.simulator.switches.schedule_delay_seconds / self.simulator.settings.time_scale
        self.simulator.engine.at(hour + delay, partial(self._due, instance, schedule, hour))

    def _due(self, instance: Instance, schedule: Schedule, hour: float, at: float) -> None:
        # A schedule that was replaced or deleted meanwhile is another one, or none.
        known = self.simulator.world.instances.get(instance.id)
        if known is not instance or schedule not in instance.schedules.values():
            return
        if schedule.since >= hour:
            # Armed twice, by two applications over one simulator.
            return
        schedule.since = hour
        self.fire(instance, schedule, hour, at)
        self.arm(instance, schedule)


def _body(schedule: Schedule, hour: float) -> ExecutionBody:
    """What a caller would have sent: the day or the week that ends with the hour."""
    end, asked = moment(hour), schedule.body
    return ExecutionBody.model_validate(
        {
            "workflowId": asked.workflow_id,
            "timeWindowType": "EXPLICIT",
            "timeWindowStart": f"{end - schedule.period:{_FORM}}",
            "timeWindowEnd": f"{end:{_FORM}}",
            "requireSyntheticData": asked.require_synthetic_data or False,
            "disableAggregationControls": asked.disable_aggregation_controls or False,
        }
    )
