"""What services read from their environment, in groups; a service's settings inherit what it needs.

Names from the user's own documents are kept (`DATABASE_URL`, `AMAZON_CLIENT_ID`, ...); all others
begin with `AMCFLOW_`. No secret has a default. A file `.env` in the working directory is read too.
"""

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict


def _postgres_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("must look like postgresql://user:password@host:5432/name")
    return value


def _amqp_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("amqp://", "amqps://")):
        raise ValueError("must look like amqp://user:password@host:5672/vhost")
    return value


def _shown(time: timedelta) -> str:
    return f"{time.total_seconds():g}"


def _seconds(value: object) -> object:
    """A plain number is seconds; pydantic takes it from a number, but not from text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Seconds = Annotated[timedelta, BeforeValidator(_seconds)]
PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
AmqpUrl = Annotated[SecretStr, AfterValidator(_amqp_url)]


# The wait for a turn in the rate budget, with room to spare.
_ROOM = timedelta(seconds=1)


class Group(BaseSettings):
    """The root of all groups: frozen, read from the environment and `.env`."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class RehearsalSettings(Group):
    """What tests set to rehearse faults; no installation does."""

    stop_points_folder: Path | None = Field(None, validation_alias="AMCFLOW_STOP_POINTS_FOLDER")
    """Where tests arm places in which a process ends or freezes itself."""
    clock_wrong_by: Seconds = Field(timedelta(0), validation_alias="AMCFLOW_CLOCK_WRONG_BY_SECONDS")
    """Makes this process's clock wrong; it must change nothing, since the database's counts."""


class LogSettings(RehearsalSettings):
    """How much is logged; always JSON lines on stderr."""

    log_level: str = Field("INFO", validation_alias="AMCFLOW_LOG_LEVEL")
    metrics_port: int = Field(0, validation_alias="AMCFLOW_METRICS_PORT", ge=0, le=65535)
    """Serve Prometheus metrics on this port; 0 serves none."""


class DatabaseSettings(Group):
    """Where the truth is."""

    database_url: PostgresUrl = Field(validation_alias="DATABASE_URL")
    database_pool_size: int = Field(10, validation_alias="AMCFLOW_DATABASE_POOL_SIZE", ge=2)


class BrokerSettings(Group):
    """Where commands travel."""

    amqp_url: AmqpUrl = Field(validation_alias="AMQP_URL")
    prefetch: int = Field(16, validation_alias="AMCFLOW_PREFETCH", ge=1)
    """Commands one replica works on at once."""
    shutdown_grace: Seconds = Field(
        timedelta(seconds=35), validation_alias="AMCFLOW_SHUTDOWN_GRACE_SECONDS"
    )
    """Time to finish what is in hand after SIGTERM; longer than the longest HTTP timeout."""


class AmazonSettings(Group):
    """Amazon, or the simulator in its place: an address, never a branch in the code."""

    use_real_api: bool = Field(False, validation_alias="AMC_USE_REAL_API")
    simulator_url: str = Field(
        "http://127.0.0.1:8090", validation_alias="AMCFLOW_SIMULATOR_URL", pattern=r"^https?://"
    )
    client_id: str = Field("", validation_alias="AMAZON_CLIENT_ID")

    def required_when_real(self) -> list[str]:
        """The environment variables that must be set before Amazon is called."""
        return ["AMAZON_CLIENT_ID"] if not self.client_id else []

    @model_validator(mode="after")
    def refuse_real_without_secrets(self) -> Self:
        missing = self.required_when_real() if self.use_real_api else []
        if missing:
            raise ValueError(f"AMC_USE_REAL_API=true needs {', '.join(missing)}")
        return self

    @property
    def base_url(self) -> str | None:
        """One address for all regions, or None for Amazon's own."""
        return None if self.use_real_api else self.simulator_url


class AmcCallSettings(AmazonSettings):
    """Bounds of calls to AMC; they must agree with each other, see `settle_time`."""

    access_token_keys: SecretStr = Field(validation_alias="ENCRYPTION_KEY")
    """Fernet keys of access tokens, newest first, separated by commas."""
    http_timeout: Seconds = Field(
        timedelta(seconds=30), validation_alias="AMCFLOW_HTTP_TIMEOUT_SECONDS"
    )
    """How long one call may take as a whole, connecting and reading included."""
    lease: Seconds = Field(timedelta(seconds=60), validation_alias="AMCFLOW_LEASE_SECONDS")
    """How long a claim is held; must exceed the HTTP timeout and the wait for a permit."""
    settle_time: Seconds = Field(timedelta(seconds=120), validation_alias="AMCFLOW_SETTLE_SECONDS")
    """In doubt nothing is repeated before this; at least the HTTP timeout and the next two."""
    gateway_hold: Seconds = Field(
        timedelta(seconds=60), validation_alias="AMCFLOW_GATEWAY_HOLD_SECONDS"
    )
    """How long a create may be on its way after we have given up on its answer: the kernel sends
    again for 20 s, proxies and gateways may hold it longer."""
    list_lag: Seconds = Field(timedelta(seconds=30), validation_alias="AMCFLOW_LIST_LAG_SECONDS")
    """How far AMC's lists may be behind what AMC has made."""

    @property
    def settle_after_intent(self) -> timedelta:
        """The settle time as an attempt has it, whose call may leave a while after its intent: a
        turn in the rate budget that was missed is booked again (`shared.amc.permits`)."""
        return self.settle_time + _ROOM

    @model_validator(mode="after")
    def refuse_times_that_disagree(self) -> Self:
        if self.lease < self.http_timeout + _ROOM:
            raise ValueError(
                f"AMCFLOW_LEASE_SECONDS ({_shown(self.lease)}) must exceed"
                f" AMCFLOW_HTTP_TIMEOUT_SECONDS ({_shown(self.http_timeout)}) by a second, or no"
                " create could start and end within its claim"
            )
        if self.settle_time < self.lease:
            raise ValueError(
                f"AMCFLOW_SETTLE_SECONDS ({_shown(self.settle_time)}) must not be shorter than"
                f" AMCFLOW_LEASE_SECONDS ({_shown(self.lease)}), or a doubt would be settled while"
                " its submitter still holds it"
            )
        shortest = self.http_timeout + self.gateway_hold + self.list_lag
        if self.settle_time < shortest:
            raise ValueError(
                f"AMCFLOW_SETTLE_SECONDS ({_shown(self.settle_time)}) must not be shorter than"
                " AMCFLOW_HTTP_TIMEOUT_SECONDS + AMCFLOW_GATEWAY_HOLD_SECONDS +"
                f" AMCFLOW_LIST_LAG_SECONDS ({_shown(shortest)}), or an execution could turn up at"
                " AMC after its attempt was given up, and run twice"
            )
        return self


class RefresherKeys(Group):
    """What only token_refresher holds."""

    client_secret: SecretStr = Field(SecretStr(""), validation_alias="AMAZON_CLIENT_SECRET")
    refresh_token_keys: SecretStr = Field(validation_alias="REFRESH_TOKEN_KEY")
    """Fernet keys of refresh tokens, newest first, separated by commas."""
    sealing_private_key: SecretStr = Field(validation_alias="SEALING_PRIVATE_KEY")


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def read_settings(kind: Callable[[], SettingsT], *, service: str) -> SettingsT:
    """Build a service's settings or leave with exit code 2 and a line for each wrong variable.

    With `--check` on the command line it only validates, says so, and leaves with 0.
    """
    try:
        settings = kind()
    except ValidationError as error:
        for problem in error.errors():
            names = [str(part) for part in problem["loc"]]
            where = names[0] if names else "settings"
            reason = "is not set" if problem["type"] == "missing" else problem["msg"]
            sys.stderr.write(f"{service}: {where}: {reason}\n")
        sys.exit(2)
    if "--check" in sys.argv[1:]:
        sys.stdout.write(f"{service}: settings are complete\n")
        sys.exit(0)
    return settings
