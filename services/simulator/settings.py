"""What the simulator can be told at start, by flags or by AMCFLOW_SIMULATOR_* variables."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, CliImplicitFlag, NoDecode, SettingsConfigDict

from services.simulator.data_folder import data_folder
from services.simulator.distribution import Distribution
from services.simulator.durations import MODEL
from services.simulator.profiles import ProfileName


def _profile(text: str) -> str:
    Distribution.parse(text)
    return text


def _duration_profile(text: str) -> str:
    return text if text == MODEL else _profile(text)


DataSize = Literal["small", "medium", "large"]
USERS: dict[str, int] = {"small": 50_000, "medium": 100_000, "large": 300_000}
"""Per instance; a month of data has about 37 rows for each."""
Profile = Annotated[str, AfterValidator(_profile)]
DurationProfile = Annotated[str, AfterValidator(_duration_profile)]


class SimulatorSettings(BaseSettings):
    """The simulator's start values; what may change while it runs is in `switches`."""

    model_config = SettingsConfigDict(
        env_prefix="AMCFLOW_SIMULATOR_",
        frozen=True,
        extra="ignore",
        cli_kebab_case=True,
        cli_prog_name="python -m services.simulator",
    )

    check: CliImplicitFlag[bool] = Field(False, description="validate the settings and exit")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8090, ge=0, le=65535, description="0 takes a free port")
    seed: int = Field(7, description="decides every random choice")
    time_scale: float = Field(
        1.0,
        gt=0,
        description="divides what AMC does (validation, queueing, running) and nothing else",
    )
    world: Path | None = Field(None, description="JSON file with accounts and instances")

    state: Path | None = Field(
        None, description="file that keeps state across restarts; none: it is thrown away"
    )

    client_id: str = "amzn1.application-oa2-client.simulator0000000000000000000000"
    client_secret: SecretStr = SecretStr("simulator-client-secret-not-a-real-one")
    refresh_tokens: Annotated[tuple[str, ...], NoDecode] = Field(
        ("Atzr|sim-default",), description="refresh tokens known from the start"
    )
    redirect_uris: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="where the authorize page may lead to; none given: any http(s) address"
    )
    token_lifetime_seconds: float = Field(3600, gt=0, description="wall time")
    rotate_refresh_tokens: CliImplicitFlag[bool] = Field(
        False, description="start value of the switch of the same name"
    )

    engine: Literal["made-up", "duckdb"] = Field(
        "duckdb",
        description="duckdb runs the SQL over invented traffic; made-up only makes up rows",
    )
    data_size: DataSize = Field(
        "small", description="small, medium or large: 50 000, 100 000 or 300 000 users"
    )
    users: int = Field(
        USERS["small"], ge=10, description="per instance, for --engine duckdb; before --data-size"
    )
    data_folder: Path = Field(
        default_factory=data_folder,
        description="where --engine duckdb keeps its data; default: the user's cache",
    )
    data_megabytes: int = Field(
        4_000, ge=100, description="of all data files; the least used go, those in use stay"
    )
    memory_megabytes: int = Field(200, ge=50, description="of one data file's queries")

    fault_profile: ProfileName = Field(
        "calm", description="calm, strict, flaky or hostile: see the README"
    )
    requests_per_second: int = Field(10, ge=1, description="per instance, start value")
    max_concurrent_executions: int = Field(10, ge=1, description="per instance, start value")
    max_concurrent_executions_per_account: int = Field(200, ge=1, description="start value")
    validation_seconds: float = Field(2.0, ge=0, description="AMC seconds")
    duration_profile: DurationProfile = Field(
        MODEL, description="AMC seconds of a run: model (by days, users, tables), or a profile"
    )
    rows_profile: Profile = Field("uniform:20:400", description="rows of a result")
    instance_creation_seconds: float = Field(
        300, ge=0, description="AMC seconds from POST /amc/instances to COMPLETED"
    )
    part_bytes: int = Field(64 * 2**20, ge=1, description="larger results come in parts, up to 5")
    url_lifetime_seconds: int = Field(600, ge=1, description="of result URLs, wall time")
    s3_endpoint: str | None = Field(
        None, pattern="^https?://", description="S3-compatible store to write result files to"
    )
    s3_bucket: str = Field("amc-results", description="must exist there")
    s3_region: str = "us-east-1"
    s3_access_key_id: SecretStr = SecretStr("simulator")
    s3_secret_access_key: SecretStr = SecretStr("simulator")
    journal_size: int = Field(20_000, ge=0, description="requests remembered")
    public_url: str | None = Field(
        None, description="base of result URLs; default: the Host header of the request"
    )

    @model_validator(mode="before")
    @classmethod
    def _users_of_a_size(cls, values: dict[str, object]) -> dict[str, object]:
        """A number of users that is given counts more than a size."""
        users = USERS.get(str(values.get("data_size")))
        return values if users is None or "users" in values else values | {"users": users}

    @field_validator("refresh_tokens", "redirect_uris", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Several are separated by commas."""
        parts = [value] if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)):
            return value
        return tuple(t.strip() for part in parts for t in str(part).split(",") if t.strip())

    @property
    def token_lifetime(self) -> timedelta:
        return timedelta(seconds=self.token_lifetime_seconds)
