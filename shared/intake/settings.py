"""What a request for an execution gets that does not say: the same at every door."""

from pydantic import Field

from shared.domain.windows import DefaultWindow
from shared.intake.checks import Defaults
from shared.settings import Group


class IntakeSettings(Group):
    """Read by the API and by the scheduler, which takes requests from the queue."""

    default_window_days: int = Field(7, validation_alias="AMCFLOW_WINDOW_DAYS", ge=1, le=400)
    default_window_lag_days: int = Field(
        14, validation_alias="AMCFLOW_WINDOW_LAG_DAYS", ge=0, le=400
    )
    default_time_zone: str = Field("UTC", validation_alias="AMCFLOW_WINDOW_TIME_ZONE")
    default_deadline_seconds: int = Field(
        21_600, validation_alias="AMCFLOW_DEADLINE_SECONDS", ge=60, le=86_400
    )

    def defaults(self) -> Defaults:
        """In the words of the checks."""
        return Defaults(
            DefaultWindow(
                self.default_window_days, self.default_window_lag_days, self.default_time_zone
            ),
            self.default_deadline_seconds,
        )
