"""A schedule as a caller writes it; here it is kept and shown, and does not fire."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

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
