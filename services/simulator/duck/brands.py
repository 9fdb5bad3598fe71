"""The invented advertisers: which brands, campaigns, ads, products and places an instance has."""

import zlib
from dataclasses import dataclass
from itertools import count

from services.simulator.duck.plan import DataPlan

Row = tuple[object, ...]
SEGMENTS = 24
_FIRST_ID = 571_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Theme:
    """A line of business with its brands and where it sells."""

    advertiser: str
    brands: tuple[str, str, str]
    goods: tuple[str, ...]
    country: str
    currency: str
    marketplace: str
    zone: str


_OUTDOOR = Theme(
    "Northwind Outdoor", ("Northwind", "Fellrunner", "Tarn & Co"),
    ("Tent", "Jacket", "Stove", "Rucksack", "Lamp"), "US", "USD", "AMAZON.COM", "America/New_York",
)  # fmt: skip
_OUTLET = Theme(
    "Northwind Outlet", ("Northwind Basics", "Campkit", "Old Trail"),
    ("Mat", "Bottle", "Socks", "Gaiters"), "US", "USD", "AMAZON.COM", "America/Los_Angeles",
)  # fmt: skip
_TEA = Theme(
    "Teehaus am Fluss", ("Teehaus", "Kräuterwerk", "Uferblatt"),
    ("Schwarztee", "Kanne", "Früchtetee", "Sieb"), "DE", "EUR", "AMAZON.DE", "Europe/Berlin",
)  # fmt: skip
_HOME = Theme(
    "Lumen & Linen", ("Lumen", "Linen House", "Quiet Rooms"),
    ("Lampshade", "Sheet", "Curtain", "Rug"), "GB", "GBP", "AMAZON.CO.UK", "Europe/London",
)  # fmt: skip
_THEMES = {"amcsimnwus1": _OUTDOOR, "amcsimnwus2": _OUTLET, "amcsimthde1": _TEA}
_OTHERS = (_HOME, _OUTDOOR, _TEA)
_DSP_GOALS = ("Awareness", "Consideration", "Remarketing", "Streaming TV", "Audio", "Launch")
_SPONSORED = (
    ("sponsored_products", "SP"), ("sponsored_brands", "SB"),
    ("sponsored_display", "SD"), ("sponsored_television", "STV"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ad:
    """The smallest thing that is shown, with the campaign around it."""

    ad: int
    brand: int
    product_type: str | None
    """None for display."""
    row: Row


def theme_of(plan: DataPlan) -> Theme:
    chosen = zlib.crc32(f"{plan.seed}/{plan.instance_id}".encode())
    return _THEMES.get(plan.instance_id) or _OTHERS[chosen % len(_OTHERS)]


def make_ads(plan: DataPlan) -> list[Ad]:
    """Every campaign's ads; a campaign belongs to one brand."""
    theme = theme_of(plan)
    base = _FIRST_ID + zlib.crc32(plan.instance_id.encode()) * 1000
    numbers, campaigns = count(), count()
    ads: list[Ad] = []
    for brand, name in enumerate(theme.brands):
        for goal in _DSP_GOALS:
            campaign = base + next(campaigns)
            for size in ("300x250", "728x90", "160x600"):
                row: Row = (f"{name} {goal}", campaign, goal, f"{goal} {size}", size, None)
                ads.append(Ad(next(numbers), brand, None, row))
        for kind, short in _SPONSORED:
            for tactic in ("Brand", "Category", "Competitor"):
                campaign = base + next(campaigns)
                row = (f"{name} {short} {tactic}", campaign, tactic, f"{tactic} keywords", "", kind)
                ads.append(Ad(next(numbers), brand, kind, row))
    return ads


def make_products(plan: DataPlan) -> list[Row]:
    """`(product, brand, asin, title, price)`."""
    theme = theme_of(plan)
    rows: list[Row] = []
    for brand, name in enumerate(theme.brands):
        for number, good in enumerate(theme.goods):
            asin = f"B0{zlib.crc32(f'{plan.instance_id}/{brand}/{number}'.encode()):08X}"
            price = round(7.5 + 13.25 * number + 4 * brand, 2)
            rows.append((len(rows), brand, asin, f"{name} {good}", price))
    return rows


def make_places() -> list[Row]:
    """`(place, site, slot, size, source, deal, environment)`."""
    sites = (
        ("news.example", "Open exchange", "Web"), ("weather.example", "Open exchange", "Web"),
        ("cooking.example", "Publisher direct", "Web"), ("Home page", "Owned and operated", "Web"),
        ("Shopping app", "Owned and operated", "App"), ("Streaming TV", "Streaming TV", "App"),
        ("games.example", "Open exchange", "App"), ("OTT channels", "Streaming TV", "App"),
    )  # fmt: skip
    return [
        (number, site, ("ABOVE", "BELOW", "UNKNOWN")[number % 3], source, environment)
        for number, (site, source, environment) in enumerate(sites)
    ]


def make_segments() -> list[Row]:
    """`(segment_id, name, description, is_lifestyle)`."""
    topics = ("Hiking", "Tea", "Home", "Garden", "Cycling", "Cooking", "Travel", "Reading")
    kinds = ("IM - ", "LS - ", "IM - Premium ")
    return [
        (300_001 + number, kind + topic, f"Shoppers with an interest in {topic.lower()}", k == 1)
        for number, (k, kind, topic) in enumerate(
            (k, kind, topic) for k, kind in enumerate(kinds) for topic in topics
        )
    ]
