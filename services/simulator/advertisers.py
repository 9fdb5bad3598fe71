"""The advertisers of an instance, and the updates that add and remove them in AMC's own time.

Nothing here is changed by time: who belongs to an instance is worked out from its first
advertisers and the updates that are done by now.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.simulator.distribution import seeded

AdvertiserType = Literal["DISPLAY", "SAS", "SPONSORED_ADS"]
_CONFIGURED: dict[str, tuple[str, ...]] = {
    "DISPLAY": ("DISPLAY",),
    "SAS": ("SAS",),
    "SPONSORED_ADS": ("SPONSORED_BRANDS", "SPONSORED_PRODUCTS"),
}
_UPDATING_AFTER = 5.0
_DONE_AFTER = 60.0
_MOST = 2000


class AdvertiserId(BaseModel):
    """Names one advertiser in an update, or one to which an execution is restricted."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)

    id: Annotated[str, Field(min_length=1, max_length=256)]
    type: AdvertiserType
    marketplace_id: Annotated[
        str | None, BeforeValidator(lambda value: None if value == "" else value)
    ] = None


_Ids = Annotated[tuple[AdvertiserId, ...], Field(max_length=10)]


class AdvertiserChange(BaseModel):
    """The body of a POST to `advertisers/updates`."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)

    advertisers_to_add: _Ids = ()
    advertisers_to_remove: _Ids = ()


@dataclass(frozen=True, slots=True)
class AdvertiserUpdate:
    """One request to change an instance's advertisers, as of the clock reading `at`."""

    number: int
    change: AdvertiserChange
    at: float
    time_scale: float
    refused: bool
    """It names for removal what is not there, or would make too many."""

    def status(self, now: float) -> str:
        elapsed = (now - self.at) * self.time_scale
        if elapsed < _UPDATING_AFTER:
            return "PENDING"
        if elapsed < _DONE_AFTER:
            return "UPDATING"
        return "REJECTED" if self.refused else "COMPLETED"


def first_advertisers(seed: int, instance_id: str, marketplace_id: str) -> list[AdvertiserId]:
    """Two invented ones, the same for the same seed and instance."""
    rng = seeded(seed, "advertisers", instance_id)
    entity = "ENTITY" + "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", k=13))
    return [
        AdvertiserId(id=str(rng.randrange(10**12, 10**13)), type="DISPLAY"),
        AdvertiserId.model_validate(
            {"id": entity, "type": "SPONSORED_ADS", "marketplaceId": marketplace_id}
        ),
    ]


def advertisers_at(
    first: Iterable[AdvertiserId], updates: Iterable[AdvertiserUpdate], now: float
) -> list[AdvertiserId]:
    """Who belongs to the instance once every update that is done by `now` is applied."""
    present = {advertiser.id: advertiser for advertiser in first}
    for update in updates:
        if update.status(now) != "COMPLETED":
            continue
        for gone in update.change.advertisers_to_remove:
            present.pop(gone.id, None)
        present.update((added.id, added) for added in update.change.advertisers_to_add)
    return [present[key] for key in sorted(present)]


def is_refused(change: AdvertiserChange, present: Iterable[AdvertiserId]) -> bool:
    """Whether AMC would end the update as REJECTED."""
    known = {advertiser.id for advertiser in present}
    unknown = any(gone.id not in known for gone in change.advertisers_to_remove)
    return unknown or len(known) + len(change.advertisers_to_add) > _MOST


def rendered(advertisers: Iterable[AdvertiserId]) -> Iterator[dict[str, object]]:
    """Advertisers as the list shows them."""
    for advertiser in advertisers:
        yield {
            "configuredAdvertiserTypes": list(_CONFIGURED[advertiser.type]),
            "id": advertiser.id,
            "marketplaceId": advertiser.marketplace_id,
            "name": f"Advertiser {advertiser.id[-4:]} (invented)",
            "type": advertiser.type,
        }
