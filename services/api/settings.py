"""What the API needs. It holds the public sealing key: it can lock tokens away, never open one."""

from datetime import timedelta

from pydantic import Field, SecretStr

from shared.intake.settings import IntakeSettings
from shared.runtime.service import WorkerSettings
from shared.settings import Seconds


class ApiSettings(WorkerSettings, IntakeSettings):
    """The HTTP door and what it lets in."""

    host: str = Field("127.0.0.1", validation_alias="AMCFLOW_API_HOST")
    port: int = Field(8000, validation_alias="AMCFLOW_API_PORT", ge=0, le=65535)
    sealing_public_key: SecretStr = Field(validation_alias="SEALING_PUBLIC_KEY")
    """Not a secret, but whoever replaces it could read every refresh token stored from then on."""
    max_body_bytes: int = Field(
        16 * 1024 * 1024, validation_alias="AMCFLOW_API_MAX_BODY_BYTES", ge=1024
    )
    """Must hold a bulk request of 10,000 items."""
    docs_enabled: bool = Field(True, validation_alias="AMCFLOW_API_DOCS")
    metrics_are_open: bool = Field(True, validation_alias="AMCFLOW_API_METRICS_OPEN")
    """Whether /metrics needs no token; turn it off where the port is reachable by strangers."""
    token_cache: Seconds = Field(
        timedelta(seconds=5), validation_alias="AMCFLOW_API_TOKEN_CACHE_SECONDS"
    )
    """How long a revoked token may still work."""
    shutdown_timeout: Seconds = Field(
        timedelta(seconds=10), validation_alias="AMCFLOW_API_SHUTDOWN_SECONDS"
    )
    """How long requests in hand may take to end after SIGTERM."""
