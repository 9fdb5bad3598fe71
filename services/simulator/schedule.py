"""A schedule as a caller writes it, and the moments at which it makes executions."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.simulator.clock import moment

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _capitalised(value: object) -> object:
    """Words are taken in any case; an empty one counts as not given."""
    return (value.capitalize() or None) if isinstance(value, str) else value


def _absent_if_empty(value: object) -> object:
    return None if value == "" else value


class ScheduleBody(BaseModel):
    """The body of a create or an update, and what a get shows of it."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)

    schedule_id: Annotated[str | None, BeforeValidator(_absent_if_empty)] = None
    workflow_id: Annotated[str | None, BeforeValidator(_absent_if_empty)] = None
    aggregation_period: Annotated[
        Literal["Daily", "Weekly"] | None, BeforeValidator(_capitalised)
    ] = None
    aggregation_start_day: Annotated[
        Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        | None,
        BeforeValidator(_capitalised),
    ] = None
    aggregation_hour_utc: Annotated[int | None, Field(ge=0, le=23)] = None
    schedule_enabled: bool | None = None
    require_synthetic_data: bool | None = None
    disable_aggregation_controls: bool | None = None

    def completed(self, schedule_id: str, weekday: int) -> "ScheduleBody":
        """With its id and AMC's default for the day: the one on which it was made."""
        day = self.aggregation_start_day or _DAYS[weekday]
        update = {"schedule_id": schedule_id, "aggregation_start_day": day}
        return self.model_copy(update=update)

    def shown(self) -> dict[str, object]:
        return dict(sorted(self.model_dump(by_alias=True, exclude_none=True).items()))


@dataclass(slots=True, eq=False)
class Schedule:
    """A schedule that is in force."""

    body: ScheduleBody
    since: float
    """Its last firing, or when it was written: it fires at the next of its hours after that."""
    fired_at: float | None = None
    refusal: str | None = None
    """Why the last firing made no execution, if it made none."""

    @property
    def period(self) -> timedelta:
        return timedelta(days=7 if self.body.aggregation_period == "Weekly" else 1)

    def next_after(self, seconds: float) -> float | None:
        """The first of its hours after that clock reading; None for one that is disabled."""
        return None if self.body.schedule_enabled is False else self._hour_after(seconds)

    def hour_before(self, seconds: float) -> float:
        """The last of its hours up to that reading, disabled or not."""
        return self._hour_after(seconds) - self.period.total_seconds()

    def last_before(self, seconds: float) -> float | None:
        """The same, unless it is disabled or there was none since `since`."""
        last = self.hour_before(seconds)
        return last if self.body.schedule_enabled is not False and last > self.since else None

    def _hour_after(self, seconds: float) -> float:
        after = moment(seconds)
        at = after.replace(
            hour=self.body.aggregation_hour_utc or 0, minute=0, second=0, microsecond=0
        )
        if self.body.aggregation_period == "Weekly":
            day = _DAYS.index(self.body.aggregation_start_day or _DAYS[0])
            at += timedelta(days=(day - at.weekday()) % 7)
        return (at if at > after else at + self.period).timestamp()
