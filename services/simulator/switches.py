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
    unauthorized_code: Literal["word", "number"] = "word"
    """`code` in the body of a 401: UNAUTHORIZED, or the status as everywhere else."""
    unavailable_download_status: Literal[400, 404] = 400
    unknown_workflow_status: Literal[400, 404] = 400
    unknown_schedule_status: Literal[400, 404] = 404
    duplicate_workflow_member: Literal["details", "message"] = "details"
    duplicate_workflow_status: Literal[400, 409, 422] = 400
    list_filter_status: Literal[400, 422] = 400
    """A list of executions without workflowId and minCreationTime."""
    delete_execution: Literal["cancel", "remove", "refuse"] = "cancel"
    """DELETE of an execution: ends it as CANCELLED, takes it away, or is no operation (405)."""
    publishing_seconds: float = Field(0, ge=0, le=86_400)
    """The last so many AMC seconds of a run are shown as PUBLISHING, and are a run in all else."""
    output_channels: bool = False
    """Executions carry outputChannels, as Amazon's schema has them and no capture does."""
    cancelled_reason: bool = False
    """CANCELLED executions carry a statusReason."""
    data_source_shape: Literal["flat", "wrapped"] = "flat"
    data_source_types: bool = True
    """Columns of data sources carry their dataType."""
    advertiser_update_done: Literal["COMPLETE", "COMPLETED"] = "COMPLETE"
    administration_errors: Literal["details", "message"] = "details"
    """Under /amc/accounts and /amc/instances: `{code, details}` or `{message, requestId}`."""
    trailing_z: Literal["accept", "refuse"] = "accept"
    """A trailing Z in timeWindowStart and timeWindowEnd."""
    terms_accepted: bool = True
    """False: every call that names an account is 403 until the terms are accepted."""
    profile_without_scope: Literal["refuse", "answer"] = "refuse"
    """GET /user/profile with a token that lacks the scope `profile`."""
    privacy_budget_executions: int | None = Field(None, ge=0, le=1_000_000)
    """Executions over the same data source in overlapping windows before one is REJECTED."""
    adhoc_runs_per_day: int | None = Field(None, ge=0, le=1_000_000)
    """Executions per instance and UTC day before one is refused with 429; stale prose says 30."""
    next_token_seconds: float | None = Field(None, ge=0, le=31_536_000)
    """How long a nextToken is good, in wall time; null: for ever."""
    schedule_delay_seconds: float = Field(21_600, ge=0, le=604_800)
    """AMC seconds from a schedule's hour to its execution; guides speak of six to seven hours."""
    list_lag_seconds: float = Field(0, ge=0, le=86_400)
    """Lists of executions show what was true so many seconds ago."""
    refuse_what_cannot_run: bool = False
    """A query that --engine duckdb cannot run is refused when it is saved, not when it runs."""
    one_access_token: bool = False
    """A refresh ends the grant's older access tokens."""
    sql_line_ends: Literal["accept", "refuse"] = "accept"
    """Line ends and tabs in sqlQuery, which the guide asks to leave out."""
    basic_client_login: bool = True
    """The token endpoint takes client_id and client_secret by HTTP Basic as well."""
    rotate_refresh_tokens: bool = False
    """A refresh answers with a new refresh token; the old one is good for nothing then."""
