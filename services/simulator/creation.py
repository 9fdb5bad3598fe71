"""Instances that callers create: their bodies, their names, and the state of their creation."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.simulator.distribution import seeded

_TOKEN_SECONDS = 600.0
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def _absent_if_empty(value: object) -> object:
    return None if value == "" else value


_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9 ]{3,50}$")]
_OptionalName = Annotated[_Name | None, BeforeValidator(_absent_if_empty)]
AwsAccount = Annotated[str, Field(pattern=r"^[0-9]{12}$")]
_OptionalAccount = Annotated[AwsAccount | None, BeforeValidator(_absent_if_empty)]
Bucket = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{1,61}[A-Za-z0-9]$")]
"""Capitals too: S3 no longer makes such names, and AMC was seen to take them."""
_OptionalBucket = Annotated[Bucket | None, BeforeValidator(_absent_if_empty)]


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class InstanceChange(_Body):
    """The body of a PUT to an instance; what is left out stays as it was."""

    instance_name: _OptionalName = None
    advertiser_name: _OptionalName = None
    aws_account_id: _OptionalAccount = None
    s3_bucket_name: _OptionalBucket = None


class InstanceRequest(_Body):
    """The body of a POST to `/amc/instances`."""

    instance_name: _Name
    advertiser_name: _OptionalName = None
    aws_account_id: _OptionalAccount = None
    s3_bucket_name: _OptionalBucket = None
    idempotency_token: Annotated[str | None, Field(min_length=1, max_length=36)] = None
    acr_backed: bool = False


class AwsAccountChange(_Body):
    """The body of a POST to `updateCustomerAwsAccount`."""

    aws_account_id: AwsAccount
    bucket_name: Bucket


@dataclass(frozen=True, slots=True)
class Creation:
    """How an instance that a caller asked for comes into being."""

    token: str | None
    at: float
    seconds: float
    """Wall seconds from the request to COMPLETED."""

    def is_repeated(self, token: str | None, now: float) -> bool:
        """Whether a request with this token means the same creation: for ten minutes."""
        return token is not None and token == self.token and now - self.at < _TOKEN_SECONDS

    def status(self, now: float) -> str:
        elapsed = now - self.at
        if elapsed >= self.seconds:
            return "COMPLETED"
        share = elapsed / self.seconds
        # No figure for the steps on the way is published.
        steps = ((0.05, "REQUESTED"), (0.2, "SUBMITTED"))
        return next((name for until, name in steps if share < until), "IN_PROGRESS")


def new_instance_id(seed: int, number: int) -> str:
    """`amc` and eight more characters, as ids of instances look."""
    return "amc" + "".join(seeded(seed, "instance", number).choices(_LETTERS, k=8))
