"""Writes one data file: `python -m services.simulator.duck.generator PLAN PATH PARENT`.

In a process of its own, so that the memory it takes is given back. The file appears complete or
not at all.
"""

import json
import os
import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from services.simulator.duck.brands import (
    AD_COLUMNS,
    INSTANCE_COLUMNS,
    Ad,
    Row,
    make_ads,
    make_instance,
    make_places,
    make_products,
    make_segments,
    market_of,
)
from services.simulator.duck.paid import (
    SHELF_COLUMNS,
    TITLE_COLUMNS,
    make_cars,
    make_shelf,
    make_titles,
)
from services.simulator.duck.plan import DataPlan
from services.simulator.duck.population import make_garage, make_user_segments, make_users
from services.simulator.duck.timeline import chunks
from services.simulator.duck.traffic import Columns, make_habits

_TIMES = frozenset({"ts", "its", "tts"})
_KEYS = frozenset({"key", "ikey", "tkey"})
_MICROSECONDS = 1_000_000
_MEMORY = "120MB"
"""For DuckDB; it writes what does not fit."""
_CHUNKS_AT_ONCE = 5
"""In one transaction: each costs time, and what it has not committed costs memory."""


def generate(plan: DataPlan, path: Path, asker: int | None = None) -> None:
    """Writes the file of a plan; another process may do the same at the same time. Ends, by
    SystemExit, when the process that asked for it is not the parent any more."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    with duckdb.connect(str(partial), config={"threads": 1, "memory_limit": _MEMORY}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.begin()
        ads, products = make_ads(plan), make_products(plan)
        _write_dimensions(connection, plan, ads, products)
        habits = make_habits(plan, ads, len(products) // 3)
        for number, facts in enumerate(chunks(plan, habits), start=1):
            if asker is not None and os.getppid() != asker:
                sys.exit("whoever asked for these data is gone")
            for name, columns in facts.items():
                _write(connection, name, _table(columns))
            if not number % _CHUNKS_AT_ONCE:
                connection.commit()
                connection.begin()
        connection.commit()
    partial.replace(path)


def _write_dimensions(
    connection: duckdb.DuckDBPyConnection, plan: DataPlan, ads: list[Ad], products: list[Row]
) -> None:
    segments, cars = make_segments(), make_cars()
    for name, columns, rows in (
        ("ads", AD_COLUMNS, [ad.row for ad in ads]),
        ("products", "product brand brand_name asin title price", products),
        ("places", "place site slot source environment", make_places()),
        ("segments", "segment_id name description lifestyle", segments),
        ("titles", TITLE_COLUMNS, make_titles()),
        ("cars", "car make model class type fuel", cars),
        ("shelf", SHELF_COLUMNS, make_shelf()),
        ("instance", INSTANCE_COLUMNS, [make_instance(plan)]),
    ):
        arrays = [pa.array(list(values)) for values in zip(*rows, strict=True)]
        _write(connection, name, pa.table(arrays, names=columns.split()))
    _write(connection, "users", make_users(plan, market_of(plan).regions))
    _write(connection, "user_segments", make_user_segments(plan, len(segments)))
    _write(connection, "garage", make_garage(plan, len(cars)))


def _table(columns: Columns) -> pa.Table:
    return pa.table({name: _array(name, values) for name, values in columns.items()})


def _array(name: str, values: np.ndarray) -> pa.Array:
    if name in _TIMES:
        return pa.array(values * _MICROSECONDS, pa.timestamp("us"))
    return pa.array(values if name in _KEYS else values.astype(np.int32))


def _write(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """Appends; the first rows of a table make it."""
    connection.register("incoming", rows)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS FROM incoming LIMIT 0")
    connection.execute(f"INSERT INTO {name} FROM incoming")
    connection.unregister("incoming")


if __name__ == "__main__":
    generate(DataPlan(**json.loads(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3]))
