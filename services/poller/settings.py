"""What the poller reads from its environment."""

from datetime import timedelta

from pydantic import Field

from shared.runtime.service import WorkerSettings
from shared.settings import AmcCallSettings, Seconds


class PollerSettings(WorkerSettings, AmcCallSettings):
    """Holds the key of access tokens, nothing that opens a refresh token."""

    shortest_look: Seconds = Field(
        timedelta(seconds=2), validation_alias="AMCFLOW_POLL_SHORTEST_SECONDS"
    )
    """No instance is looked at more often than this."""
    longest_look: Seconds = Field(
        timedelta(seconds=60), validation_alias="AMCFLOW_POLL_LONGEST_SECONDS"
    )
    """Nor less often, while anything of ours runs there."""
