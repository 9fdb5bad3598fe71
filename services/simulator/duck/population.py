"""The invented people of an instance: where they live, what they use, what they care about."""

import zlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from services.simulator.duck.plan import DataPlan

_LETTERS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", dtype=np.uint8)
_ID_LENGTH = 12
_DEVICES = ("Phone", "PC", "Tablet", "TV", "ConnectedDevice")
_SYSTEMS = ("iOS", "Android", "Windows", "Fire OS", "macOS")
_BROWSERS = ("Safari", "Chrome", "Firefox", "Silk", "Edge")
_POSTAL_AREAS = 60
_OLDEST, _NEWEST = 9, 18
_WITH_CAR = 0.2
_FIRST_CAR, _LAST_CAR = 18_262, 20_454
"""2020 to 2025: a garage is older than any question."""


def make_users(plan: DataPlan, regions: Sequence[str]) -> pa.Table:
    """One row per user and one, -1, for everybody who was not recognised."""
    key = zlib.crc32(f"{plan.seed}/{plan.instance_id}/{plan.users}/people".encode())
    rng = np.random.default_rng(key)
    size = plan.users
    names = _names(rng, size)
    region = rng.integers(0, len(regions), size)
    area = np.minimum(rng.zipf(1.4, size), _POSTAL_AREAS)
    place = region * (_POSTAL_AREAS + 1) + area
    dma = region * 4 + area % 4
    columns = {
        "user_id": names,
        "region": _picked(regions, region),
        "postal_code": _picked(
            [str(10_000 + r * 1_000 + a) for r in range(len(regions)) for a in _areas()], place
        ),
        "city": _picked([f"Town {a}" for a in _areas()], area),
        "dma_code": _picked(
            [str(500 + r * 10 + a) for r in range(len(regions)) for a in range(4)], dma
        ),
        "device": _picked(_DEVICES, rng.choice(5, size, p=(0.5, 0.2, 0.1, 0.15, 0.05))),
        "system": _picked(_SYSTEMS, rng.integers(0, 5, size)),
        "browser": _picked(_BROWSERS, rng.integers(0, 5, size)),
        "version": _picked([str(v) for v in range(_NEWEST)], rng.integers(_OLDEST, _NEWEST, size)),
    }
    known = pa.table({"uid": pa.array(np.arange(size, dtype=np.int32)), **columns})
    nobody = pa.table({"uid": pa.array([-1], pa.int32())})
    return pa.concat_tables([known, nobody], promote_options="default")


def make_user_segments(plan: DataPlan, segments: int) -> pa.Table:
    """`(uid, segment)`, each pair once."""
    key = zlib.crc32(f"{plan.seed}/{plan.instance_id}/{plan.users}/segments".encode())
    rng = np.random.default_rng(key)
    pairs = np.unique(
        rng.integers(0, plan.users, plan.users * 2) * segments
        + np.minimum(rng.geometric(0.15, plan.users * 2) - 1, segments - 1)
    )
    uid, segment = (pairs // segments).astype(np.int32), (pairs % segments).astype(np.int32)
    return pa.table({"uid": pa.array(uid), "segment": pa.array(segment)})


def make_garage(plan: DataPlan, cars: int) -> pa.Table:
    """The cars that users keep a record of: `(uid, car, model_year, created, accessed)`, days
    counted from 1970-01-01."""
    key = zlib.crc32(f"{plan.seed}/{plan.instance_id}/{plan.users}/garage".encode())
    rng = np.random.default_rng(key)
    uid = np.flatnonzero(rng.random(plan.users) < _WITH_CAR).astype(np.int32)
    created = rng.integers(_FIRST_CAR, _LAST_CAR, len(uid)).astype(np.int32)
    columns = {
        "uid": uid,
        "car": rng.integers(0, cars, len(uid)).astype(np.int32),
        "model_year": rng.integers(2008, 2026, len(uid)).astype(np.int32),
        "created": created,
        "accessed": created + rng.integers(0, 400, len(uid)).astype(np.int32),
    }
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def _names(rng: np.random.Generator, size: int) -> pa.Array:
    """Twelve letters each, built without a Python object per user."""
    letters = _LETTERS[rng.integers(0, len(_LETTERS), (size, _ID_LENGTH), dtype=np.int8)]
    offsets = np.arange(0, (size + 1) * _ID_LENGTH, _ID_LENGTH, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(letters.tobytes())]
    return pa.Array.from_buffers(pa.string(), size, buffers)


def _picked(values: Sequence[str], places: np.ndarray) -> pa.Array:
    return pa.DictionaryArray.from_arrays(places.astype(np.int32), pa.array(values, pa.string()))


def _areas() -> range:
    return range(_POSTAL_AREAS + 1)
