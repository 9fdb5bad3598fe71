"""What token_refresher reads from its environment."""

from datetime import timedelta

from pydantic import Field, SecretStr
from typing_extensions import override

from shared.runtime.service import WorkerSettings
from shared.settings import AmazonSettings, RefresherKeys, Seconds


class RefresherSettings(WorkerSettings, AmazonSettings, RefresherKeys):
    """The only service that can open a refresh token or knows the client's secret."""

    access_token_keys: SecretStr = Field(validation_alias="ENCRYPTION_KEY")
    refresh_lease: Seconds = Field(
        timedelta(seconds=60), validation_alias="AMCFLOW_REFRESH_LEASE_SECONDS"
    )

    @override
    def required_when_real(self) -> list[str]:
        missing = super().required_when_real()
        if not self.client_secret.get_secret_value():
            missing.append("AMAZON_CLIENT_SECRET")
        return missing
