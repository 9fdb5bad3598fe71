"""What can be changed while the simulator runs, by PUT /_simulator/switches.

Most switches choose between answers that are not known for certain of Amazon; the defaults are
what was captured or what most clients rely on.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Switches(BaseModel):
    """The present choice for each point that is open or adjustable."""

    model_config = ConfigDict(extra="forbid")

    requests_per_second: int = Field(10, ge=1, le=100_000)
    """Per instance without a limit of its own."""
    max_concurrent_executions: int = Field(10, ge=1, le=100_000)
    """Per instance without a limit of its own."""
    max_concurrent_executions_per_account: int = Field(200, ge=1, le=1_000_000)
    limits_enabled: bool = True
    """False lifts the request rate; concurrency stays."""
    throttle_flavour: Literal["details", "message", "html"] = "details"
    """Body of a 429; only `details` carries a Retry-After header."""
    retry_after: str = "1"
    """The header's value, sent as it is: seconds, an HTTP date, or nonsense; "" leaves it out."""
    concurrency_mode: Literal["queue", "refuse"] = "queue"
    """Surplus executions stay PENDING, or their creation is answered 429."""
    undeclared_parameters: Literal["create", "run"] = "create"
    """Where an undeclared CUSTOM_PARAMETER is refused."""
    expired_token_status: Literal[401, 403] = 401
    unavailable_download_status: Literal[400, 404] = 400
    unknown_workflow_status: Literal[400, 404] = 400
    duplicate_workflow_member: Literal["details", "message"] = "details"
    rotate_refresh_tokens: bool = False
    """A refresh answers with a new refresh token; the old one is good for nothing then."""
