"""Where Amazon is: the hosts of its three regions, or one simulator in place of them all.

Source: Amazon's guides on regions and authorization (AMC_API 1.1 and 3).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Region(StrEnum):
    """North America, Europe, Far East."""

    NA = "NA"
    EU = "EU"
    FE = "FE"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of one region."""

    amc_base_url: str
    token_url: str
    authorize_url: str


_AMAZON: Final = {
    Region.NA: Endpoints(
        "https://advertising-api.amazon.com",
        "https://api.amazon.com/auth/o2/token",
        "https://www.amazon.com/ap/oa",
    ),
    Region.EU: Endpoints(
        "https://advertising-api-eu.amazon.com",
        "https://api.amazon.co.uk/auth/o2/token",
        "https://eu.account.amazon.com/ap/oa",
    ),
    Region.FE: Endpoints(
        "https://advertising-api-fe.amazon.com",
        "https://api.amazon.co.jp/auth/o2/token",
        "https://apac.account.amazon.com/ap/oa",
    ),
}


def endpoints(region: Region, *, simulator_url: str | None = None) -> Endpoints:
    """Amazon's addresses, or the simulator's for every region."""
    if simulator_url is None:
        return _AMAZON[region]
    base = simulator_url.rstrip("/")
    return Endpoints(base, f"{base}/auth/o2/token", f"{base}/ap/oa")
