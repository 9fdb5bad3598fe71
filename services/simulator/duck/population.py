"""The invented people of an instance: where they live, what they use, what they care about."""

import zlib

import numpy as np

from services.simulator.duck.plan import DataPlan

_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
_ID_LENGTH = 12
_DEVICES = ("Phone", "PC", "Tablet", "Connected TV", "Set Top Box")
_SYSTEMS = ("iOS", "Android", "Windows", "Fire OS", "macOS")
_BROWSERS = ("Safari", "Chrome", "Firefox", "Silk", "Edge")
_REGIONS = {
    "US": ("US-CA", "US-NY", "US-TX", "US-WA", "US-FL", "US-OR"),
    "DE": ("DE-BE", "DE-BY", "DE-HH", "DE-NW", "DE-HE"),
    "GB": ("GB-LND", "GB-SCT", "GB-WLS", "GB-NIR"),
}
_POSTAL_AREAS = 60


def make_users(plan: DataPlan, country: str) -> dict[str, np.ndarray]:
    """One row per user and one, -1, for everybody who was not recognised."""
    key = zlib.crc32(f"{plan.seed}/{plan.instance_id}/{plan.users}/people".encode())
    rng = np.random.default_rng(key)
    size = plan.users
    regions = np.array(_REGIONS[country], dtype=object)
    region = rng.integers(0, len(regions), size)
    area = np.minimum(rng.zipf(1.4, size), _POSTAL_AREAS)
    columns = {
        "user_id": _names(rng, size),
        "region": regions[region],
        "postal_code": _text(10_000 + region * 1_000 + area),
        "city": np.array([f"Town {a}" for a in range(_POSTAL_AREAS + 1)], dtype=object)[area],
        "dma_code": _text(500 + region * 10 + area % 4),
        "device": np.array(_DEVICES, dtype=object)[
            rng.choice(5, size, p=(0.5, 0.2, 0.1, 0.15, 0.05))
        ],
        "system": np.array(_SYSTEMS, dtype=object)[rng.integers(0, 5, size)],
        "browser": np.array(_BROWSERS, dtype=object)[rng.integers(0, 5, size)],
        "version": _text(rng.integers(9, 18, size)),
    }
    nobody = np.array([None], dtype=object)
    found = {name: np.concatenate([values, nobody]) for name, values in columns.items()}
    return {"uid": np.append(np.arange(size), -1), **found}


def make_user_segments(plan: DataPlan, segments: int) -> dict[str, np.ndarray]:
    """`(uid, segment)`, each pair once."""
    key = zlib.crc32(f"{plan.seed}/{plan.instance_id}/{plan.users}/segments".encode())
    rng = np.random.default_rng(key)
    pairs = np.unique(
        rng.integers(0, plan.users, plan.users * 2) * segments
        + np.minimum(rng.geometric(0.15, plan.users * 2) - 1, segments - 1)
    )
    return {"uid": pairs // segments, "segment": pairs % segments}


def _names(rng: np.random.Generator, size: int) -> np.ndarray:
    letters = _LETTERS[rng.integers(0, len(_LETTERS), (size, _ID_LENGTH))]
    return np.array(["".join(row) for row in letters], dtype=object)


def _text(numbers: np.ndarray) -> np.ndarray:
    return np.array([str(number) for number in numbers.tolist()], dtype=object)
