"""Writes one data file: `python -m services.simulator.duck.generator PLAN PATH`, in a process of
its own, so that the memory it takes is given back. The file appears complete or not at all.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from services.simulator.duck.attribution import attribute, new_to_brand
from services.simulator.duck.brands import (
    Ad,
    Row,
    make_ads,
    make_places,
    make_products,
    make_segments,
    theme_of,
)
from services.simulator.duck.plan import LEAD_DAYS, DataPlan
from services.simulator.duck.population import make_user_segments, make_users
from services.simulator.duck.traffic import Columns, Day, make_day, make_habits

_TIMES = frozenset({"ts", "its", "tts"})
_MICROSECONDS = 1_000_000


def generate(plan: DataPlan, path: Path) -> None:
    """Writes the file of a plan; another process may do the same at the same time."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    with duckdb.connect(str(partial), config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        ads, products = make_ads(plan), make_products(plan)
        _write_dimensions(connection, plan, ads, products)
        _write_facts(connection, plan, ads, products)
    partial.replace(path)


def _write_dimensions(
    connection: duckdb.DuckDBPyConnection, plan: DataPlan, ads: list[Ad], products: list[Row]
) -> None:
    theme = theme_of(plan)
    _write_rows(
        connection, "ads",
        "ad brand campaign campaign_id goal creative size product_type brand_name",
        [(ad.ad, ad.brand, *ad.row, theme.brands[ad.brand]) for ad in ads],
    )  # fmt: skip
    _write_rows(connection, "products", "product brand asin title price", products)
    _write_rows(connection, "places", "place site slot source environment", make_places())
    segments = make_segments()
    _write_rows(connection, "segments", "segment_id name description lifestyle", segments)
    _write_rows(
        connection, "instance", "advertiser country currency marketplace zone first_day last_day",
        [
            (
                theme.advertiser, theme.country, theme.currency, theme.marketplace, theme.zone,
                plan.first_day, plan.last_day,
            )
        ],
    )  # fmt: skip
    _write(connection, "users", make_users(plan, theme.country))
    _write(connection, "user_segments", make_user_segments(plan, len(segments)))


def _write_facts(
    connection: duckdb.DuckDBPyConnection, plan: DataPlan, ads: list[Ad], products: list[Row]
) -> None:
    habits = make_habits(plan, ads, len(products) // 3)
    days = [
        make_day(plan, habits, day) for day in range(plan.first_day - LEAD_DAYS, plan.last_day + 1)
    ]
    shown = _joined([day.shown for day in days])
    clicked = _joined([day.clicked for day in days])
    sponsored = _joined([day.sponsored for day in days])
    converted = _conversions(days, plan)
    visited = _joined([day.visited for day in days])
    del days
    chosen = sponsored["clicks"] > 0
    views = _joined([_touches(shown), _touches(sponsored)])
    clicks = _joined(
        [_touches(clicked), {name: v[chosen] for name, v in _touches(sponsored).items()}]
    )
    credited = attribute(converted, clicks, views, habits.brand_of_ad)
    row = credited.pop("row")
    credited |= {name: values[row] for name, values in converted.items()}
    for name, facts in (
        ("shown", shown), ("clicked", clicked), ("sponsored", sponsored),
        ("converted", converted), ("credited", credited), ("visited", visited),
    ):  # fmt: skip
        _write(connection, name, facts | {"key": np.arange(len(facts["ts"]), dtype=np.int64)})


def _conversions(days: list[Day], plan: DataPlan) -> Columns:
    found = _joined([day.converted for day in days])
    kept = found["ts"] < (plan.last_day + 1) * 86_400
    found = {name: values[kept] for name, values in found.items()}
    order = np.argsort(found["ts"], kind="stable")
    found = {name: values[order] for name, values in found.items()}
    return found | {"fresh": new_to_brand(found)}


def _touches(facts: Columns) -> Columns:
    return {name: facts[name] for name in ("ts", "uid", "ad")}


def _joined(parts: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _write(
    connection: duckdb.DuckDBPyConnection, name: str, columns: dict[str, np.ndarray]
) -> None:
    arrays = {
        key: pa.array(values * _MICROSECONDS, pa.timestamp("us"))
        if key in _TIMES
        else pa.array(values.astype(np.int32) if values.dtype == np.int64 else values)
        for key, values in columns.items()
    }
    connection.register("incoming", pa.table(arrays))
    order = " ORDER BY ts, key" if "ts" in columns else ""
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming{order}")  # noqa: S608  own names
    connection.unregister("incoming")


def _write_rows(
    connection: duckdb.DuckDBPyConnection, name: str, columns: str, rows: Iterable[Row]
) -> None:
    arrays = [pa.array(list(values)) for values in zip(*rows, strict=True)]
    connection.register("incoming", pa.table(arrays, names=columns.split()))
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")  # noqa: S608  own names
    connection.unregister("incoming")


if __name__ == "__main__":
    generate(DataPlan(**json.loads(sys.argv[1])), Path(sys.argv[2]))
