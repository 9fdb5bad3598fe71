"""Made-up values for a result, plausible by the name and the type of the column."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from services.simulator.catalogue import Column
from services.simulator.results.table import TILE_ROWS, ResultTable, csv_field
from services.simulator.windows import Window

_CAMPAIGNS = (
    "Autumn Launch", "Prime Reach", "Brand, Always On", "Überall Sichtbar", 'Retarget "Warm"',
    "Spring Clearance", "Category Conquest", "Video Awareness", "Remarketing 30d", "Été Promo",
)  # fmt: skip
_WORDS: dict[str, tuple[str, ...]] = {
    "ad_product_type": ("sponsored_products", "sponsored_brands", "sponsored_display"),
    "device_type": ("Phone", "PC", "Tablet", "Connected TV"),
    "operating_system": ("iOS", "Android", "Windows", "Fire OS"),
    "browser_family": ("Chrome", "Safari", "Silk", "Firefox"),
    "environment_type": ("App", "Web"),
    "iso_country_code": ("US", "DE", "GB", "FR"),
    "iso_state_province_code": ("US-CA", "US-NY", "US-TX", "DE-BE"),
    "currency_iso_code": ("USD", "EUR", "GBP"),
    "purchase_currency": ("USD", "EUR", "GBP"),
    "match_type": ("EXACT", "PHRASE", "BROAD"),
    "conversion_event_subtype": ("order", "shoppingCart", "detailPageView"),
    "event_subtype": ("order", "shoppingCart", "detailPageView"),
    "new_to_brand": ("true", "false"),
    "marketplace_name": ("AMAZON.COM", "AMAZON.DE", "AMAZON.CO.UK"),
}
_HEX = "0123456789abcdef"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_NULL_SHARE = 0.02


def make_table(
    columns: tuple[Column, ...], rows: int, rng: Random, window: Window, *, odd_value: bool = False
) -> ResultTable:
    """`rows` rows of the columns; with `odd_value` the last has a word where a number belongs."""
    size = min(TILE_ROWS, max(rows, 1))
    fields = [
        [csv_field(value) for value in _values(column, size, rng, window)] for column in columns
    ]
    last = _odd_line(columns, fields) if odd_value and rows else b""
    return ResultTable(columns, fields, rows, last)


def _odd_line(columns: tuple[Column, ...], fields: list[list[str]]) -> bytes:
    row = [values[0] for values in fields]
    for number, column in enumerate(columns):
        if _maker(column) in {_count, _decimal, _double, _small}:
            row[number] = "not-a-number"
            break
    return (",".join(row) + "\n").encode()


def _values(column: Column, size: int, rng: Random, window: Window) -> list[str]:
    make = _maker(column)
    nullable = column.column_type == "DIMENSION" and make in {_word, _label}
    return [
        "" if nullable and rng.random() < _NULL_SHARE else make(column, rng, window)
        for _ in range(size)
    ]


_Maker = Callable[[Column, Random, Window], str]


def _maker(column: Column) -> _Maker:
    name, kind = column.name.lower(), column.data_type.partition("(")[0]
    if kind.startswith("ARRAY"):
        return _array
    if name in _WORDS and kind in {"STRING", "BOOLEAN"}:
        return _word
    if kind == "STRING":
        return _text_maker(name)
    if kind == "LONG":
        return _id if name.endswith("_id") else _count
    return _BY_TYPE.get(kind, _label)


def _text_maker(name: str) -> _Maker:
    if name in {"user_id", "device_id", "request_tag", "conversion_id"}:
        return _opaque
    if name.endswith(("_id", "_id_string")):
        return _id
    if "asin" in name or name == "tracked_item":
        return _asin
    if name in {"campaign", "campaign_name", "line_item", "ad_group"}:
        return _campaign
    return _label


def _id(_column: Column, rng: Random, _window: Window) -> str:
    return str(rng.randrange(5 * 10**17, 6 * 10**17))


def _count(_column: Column, rng: Random, _window: Window) -> str:
    return str(int(rng.paretovariate(0.9)) % 1_000_000)


def _small(column: Column, rng: Random, _window: Window) -> str:
    ceiling = {"hour": 23, "hour_utc": 23, "day": 31, "day_utc": 31}
    word = column.name.lower().partition("_")[2]
    return str(rng.randint(1, ceiling.get(word, 100)))


def _decimal(_column: Column, rng: Random, _window: Window) -> str:
    return f"{rng.uniform(0, 5000):.4f}"


def _double(_column: Column, rng: Random, _window: Window) -> str:
    return repr(round(rng.uniform(0, 100), 6))


def _boolean(_column: Column, rng: Random, _window: Window) -> str:
    return "true" if rng.random() < 0.5 else "false"  # noqa: PLR2004  a fair coin


def _date(_column: Column, rng: Random, window: Window) -> str:
    days = max(1, (window.end - window.start).days)
    return f"{window.start + timedelta(days=rng.randrange(days)):%Y-%m-%d}"


def _timestamp(_column: Column, rng: Random, window: Window) -> str:
    seconds = max(1, int((window.end - window.start).total_seconds()))
    when = window.start + timedelta(seconds=rng.randrange(seconds))
    return f"{when:%Y-%m-%dT%H:%M:%S}.{rng.randrange(1000):03d}"


def _array(_column: Column, rng: Random, _window: Window) -> str:
    return "[" + ", ".join(str(rng.randrange(1000)) for _ in range(rng.randint(0, 3))) + "]"


def _word(column: Column, rng: Random, _window: Window) -> str:
    return rng.choice(_WORDS[column.name.lower()])


def _opaque(_column: Column, rng: Random, _window: Window) -> str:
    return "".join(rng.choices(_HEX, k=32))


def _asin(_column: Column, rng: Random, _window: Window) -> str:
    return "B0" + "".join(rng.choices(_BASE32, k=8))


def _campaign(_column: Column, rng: Random, _window: Window) -> str:
    return f"{rng.choice(_CAMPAIGNS)} {rng.randint(1, 40):02d}"


def _label(column: Column, rng: Random, _window: Window) -> str:
    return f"{column.name} {rng.randint(1, 60)}"


_BY_TYPE: dict[str, _Maker] = {
    "INTEGER": _small,
    "DECIMAL": _decimal,
    "DOUBLE": _double,
    "BOOLEAN": _boolean,
    "DATE": _date,
    "TIMESTAMP": _timestamp,
}
