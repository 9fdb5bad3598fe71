"""What the scheduler reads from its environment."""

from datetime import timedelta

from pydantic import Field

from shared.intake.settings import IntakeSettings
from shared.runtime.service import WorkerSettings
from shared.settings import Seconds


class SchedulerSettings(WorkerSettings, IntakeSettings):
    """Holds nothing secret but the addresses of the database and the broker."""

    rescue_every: Seconds = Field(timedelta(seconds=2), validation_alias="AMCFLOW_RESCUE_SECONDS")
    """How often abandoned work is looked for; it costs latency only, never work."""
