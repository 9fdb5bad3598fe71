"""What the submitter reads from its environment."""

from datetime import timedelta

from pydantic import Field

from shared.runtime.amc import AmcWorkerSettings
from shared.settings import Seconds


class SubmitterSettings(AmcWorkerSettings):
    """Holds the key of access tokens, nothing that opens a refresh token."""

    mark_attempts: bool = Field(True, validation_alias="AMCFLOW_MARK_ATTEMPTS")
    """Give each attempt a timeout of its own at AMC, by which a stray one is recognised."""
    first_look: Seconds = Field(timedelta(seconds=2), validation_alias="AMCFLOW_FIRST_LOOK_SECONDS")
    """How long after a create the poller looks for the first time; where looks are under way
    the new one waits for the next of them, 7.5 times as long at the most."""
