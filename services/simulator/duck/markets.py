"""Where an instance sells: what follows from the marketplace of its account."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Market:
    """One of Amazon's marketplaces with the region whose segment tables hold its people."""

    country: str
    currency: str
    name: str
    zone: str
    number: int
    """AMC's `marketplace_id`."""
    area: str
    regions: tuple[str, ...]
    """ISO 3166-2 codes."""


_US = Market(
    "US", "USD", "AMAZON.COM", "America/New_York", 1, "amer",
    ("US-CA", "US-NY", "US-TX", "US-WA", "US-FL", "US-OR"),
)  # fmt: skip
_GB = Market(
    "GB", "GBP", "AMAZON.CO.UK", "Europe/London", 3, "eu", ("GB-LND", "GB-SCT", "GB-WLS", "GB-NIR")
)
_DE = Market(
    "DE", "EUR", "AMAZON.DE", "Europe/Berlin", 4, "eu",
    ("DE-BE", "DE-BY", "DE-HH", "DE-NW", "DE-HE"),
)  # fmt: skip
_FR = Market("FR", "EUR", "AMAZON.FR", "Europe/Paris", 5, "eu", ("FR-IDF", "FR-BRE", "FR-OCC"))
_JP = Market("JP", "JPY", "AMAZON.CO.JP", "Asia/Tokyo", 6, "apac", ("JP-13", "JP-27", "JP-01"))
_CA = Market("CA", "CAD", "AMAZON.CA", "America/Toronto", 7, "amer", ("CA-ON", "CA-QC", "CA-BC"))
_IT = Market("IT", "EUR", "AMAZON.IT", "Europe/Rome", 35691, "eu", ("IT-25", "IT-62", "IT-45"))
_ES = Market("ES", "EUR", "AMAZON.ES", "Europe/Madrid", 44551, "eu", ("ES-MD", "ES-CT", "ES-AN"))
_IN = Market("IN", "INR", "AMAZON.IN", "Asia/Kolkata", 44571, "apac", ("IN-MH", "IN-KA", "IN-DL"))
_AU = Market(
    "AU", "AUD", "AMAZON.COM.AU", "Australia/Sydney", 111172, "apac", ("AU-NSW", "AU-VIC", "AU-QLD")
)
_MX = Market(
    "MX", "MXN", "AMAZON.COM.MX", "America/Mexico_City", 771770, "amer", ("MX-CMX", "MX-JAL")
)
BY_COUNTRY = {
    market.country: market for market in (_US, _GB, _DE, _FR, _JP, _CA, _IT, _ES, _IN, _AU, _MX)
}
BY_MARKETPLACE_ID = {
    "ATVPDKIKX0DER": _US, "A1F83G8C2ARO7P": _GB, "A1PA6795UKMFR9": _DE, "A13V1IB3VIYZZH": _FR,
    "A1VC38T7YXB528": _JP, "A2EUQ1WTGCTBG2": _CA, "APJ6JRA9NG5V4": _IT, "A1RKKUPIHCS9HS": _ES,
    "A21TJRUUN4KGV": _IN, "A39IBJ37TRP1C6": _AU, "A1AM78C64UM0Y8": _MX,
}  # fmt: skip
