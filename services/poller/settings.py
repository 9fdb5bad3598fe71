"""What the poller reads from its environment."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from shared.runtime.amc import AmcWorkerSettings
from shared.settings import Seconds


class PollerSettings(AmcWorkerSettings):
    """Holds the key of access tokens, nothing that opens a refresh token."""

    shortest_look: Seconds = Field(
        timedelta(seconds=2), validation_alias="AMCFLOW_POLL_SHORTEST_SECONDS"
    )
    """No instance is looked at more often than this."""
    longest_look: Seconds = Field(
        timedelta(seconds=60), validation_alias="AMCFLOW_POLL_LONGEST_SECONDS"
    )
    """Nor less often, while anything of ours runs there."""

    @model_validator(mode="after")
    def refuse_looks_that_disagree(self) -> Self:
        if self.longest_look < self.shortest_look:
            raise ValueError(
                "AMCFLOW_POLL_LONGEST_SECONDS must not be shorter than"
                " AMCFLOW_POLL_SHORTEST_SECONDS"
            )
        return self
