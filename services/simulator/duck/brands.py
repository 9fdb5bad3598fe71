"""The invented advertisers: which brands, campaigns, ads, products and places an instance has."""

import zlib
from dataclasses import dataclass, replace
from itertools import count

from services.simulator.duck.markets import BY_COUNTRY, BY_MARKETPLACE_ID, Market
from services.simulator.duck.plan import DataPlan

Row = tuple[object, ...]
SEGMENTS = 24
_FIRST_ID = 571_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Theme:
    """A line of business with its brands, and where it sells if nobody says."""

    advertiser: str
    brands: tuple[str, str, str]
    goods: tuple[str, ...]
    country: str
    zone: str | None = None
    """Where it is not that of the market."""


_OUTDOOR = Theme(
    "Northwind Outdoor", ("Northwind", "Fellrunner", "Tarn & Co"),
    ("Tent", "Jacket", "Stove", "Rucksack", "Lamp"), "US",
)  # fmt: skip
_OUTLET = Theme(
    "Northwind Outlet", ("Northwind Basics", "Campkit", "Old Trail"),
    ("Mat", "Bottle", "Socks", "Gaiters"), "US", "America/Los_Angeles",
)  # fmt: skip
_TEA = Theme(
    "Teehaus am Fluss", ("Teehaus", "Kräuterwerk", "Uferblatt"),
    ("Schwarztee", "Kanne", "Früchtetee", "Sieb"), "DE",
)  # fmt: skip
_HOME = Theme(
    "Lumen & Linen", ("Lumen", "Linen House", "Quiet Rooms"),
    ("Lampshade", "Sheet", "Curtain", "Rug"), "GB",
)  # fmt: skip
_THEMES = {"amcsimnwus1": _OUTDOOR, "amcsimnwus2": _OUTLET, "amcsimthde1": _TEA}
_OTHERS = (_HOME, _OUTDOOR, _TEA)
_DSP_GOALS = ("Awareness", "Consideration", "Remarketing", "Streaming TV", "Audio", "Launch")
_SPONSORED = (
    ("sponsored_products", "SP"), ("sponsored_brands", "SB"),
    ("sponsored_display", "SD"), ("sponsored_television", "STV"),
)  # fmt: skip
_WITH_ASIN = ("sponsored_products", "sponsored_display")


AD_COLUMNS = "ad brand product_type campaign campaign_id goal creative size brand_name owner asin"
INSTANCE_COLUMNS = (
    "advertiser country currency marketplace marketplace_id zone area display sponsored"
    " first_day last_day"
)


@dataclass(frozen=True, slots=True)
class Ad:
    """The smallest thing that is shown, with the campaign around it."""

    ad: int
    brand: int
    product_type: str | None
    """None for display."""
    described: Row

    @property
    def row(self) -> Row:
        """In the order of `AD_COLUMNS`."""
        return (self.ad, self.brand, self.product_type, *self.described)


def theme_of(plan: DataPlan) -> Theme:
    chosen = zlib.crc32(f"{plan.seed}/{plan.instance_id}".encode())
    return _THEMES.get(plan.instance_id) or _OTHERS[chosen % len(_OTHERS)]


def market_of(plan: DataPlan) -> Market:
    """That of the account's marketplace, else of the theme."""
    theme = theme_of(plan)
    market = BY_MARKETPLACE_ID.get(plan.marketplace_id) or BY_COUNTRY[theme.country]
    if theme.zone is not None and market.country == theme.country:
        return replace(market, zone=theme.zone)
    return market


def make_instance(plan: DataPlan) -> Row:
    """In the order of `INSTANCE_COLUMNS`."""
    market = market_of(plan)
    return (
        theme_of(plan).advertiser, market.country, market.currency, market.name, market.number,
        market.zone, market.area, *plan.advertisers, plan.first_day, plan.last_day,
    )  # fmt: skip


def make_ads(plan: DataPlan) -> list[Ad]:
    """Every campaign's ads; a campaign belongs to one brand and one advertiser."""
    theme, products = theme_of(plan), make_products(plan)
    base = _FIRST_ID + zlib.crc32(plan.instance_id.encode()) * 1000
    display, sponsored = plan.advertisers
    numbers, campaigns = count(), count()
    ads: list[Ad] = []
    for brand, name in enumerate(theme.brands):
        asins = [product[3] for product in products if product[1] == brand]
        for goal in _DSP_GOALS:
            campaign = base + next(campaigns)
            for size in ("300x250", "728x90", "160x600"):
                row: Row = (f"{name} {goal}", campaign, goal, f"{goal} {size}", size)
                ads.append(Ad(next(numbers), brand, None, (*row, name, display, None)))
        for kind, short in _SPONSORED:
            for place, tactic in enumerate(("Brand", "Category", "Competitor")):
                campaign = base + next(campaigns)
                asin = asins[place % len(asins)] if kind in _WITH_ASIN else None
                row = (f"{name} {short} {tactic}", campaign, tactic, f"{tactic} keywords", "")
                ads.append(Ad(next(numbers), brand, kind, (*row, name, sponsored, asin)))
    return ads


def make_products(plan: DataPlan) -> list[Row]:
    """`(product, brand, brand_name, asin, title, price)`."""
    theme = theme_of(plan)
    rows: list[Row] = []
    for brand, name in enumerate(theme.brands):
        for number, good in enumerate(theme.goods):
            asin = f"B0{zlib.crc32(f'{plan.instance_id}/{brand}/{number}'.encode()):08X}"
            price = round(7.5 + 13.25 * number + 4 * brand, 2)
            rows.append((len(rows), brand, name, asin, f"{name} {good}", price))
    return rows


def make_places() -> list[Row]:
    """`(place, site, slot, source, environment)`."""
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
