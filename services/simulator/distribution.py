"""Profiles of numbers (`fixed:60`, `uniform:60:180`, `lognormal:60:0.5:900`) drawn from a seed."""

import hashlib
import math
from dataclasses import dataclass
from random import Random


def seeded(*parts: object) -> Random:
    """A generator that depends on the parts alone, the same in every process."""
    text = "\x1f".join(str(part) for part in parts)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return Random(int.from_bytes(digest, "big"))  # noqa: S311  made-up data, no secret


@dataclass(frozen=True, slots=True)
class Distribution:
    """A named shape with its numbers; `draw` never goes below zero."""

    shape: str
    numbers: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> "Distribution":
        """ValueError if the text is no known profile."""
        shape, *rest = text.split(":")
        numbers = tuple(float(part) for part in rest)
        expected = {"fixed": (1,), "uniform": (2,), "lognormal": (2, 3)}.get(shape)
        if expected is None or len(numbers) not in expected:
            raise ValueError(
                f"{text!r} is no profile: write fixed:N, uniform:LOW:HIGH"
                " or lognormal:MEDIAN:SIGMA[:MAX]"
            )
        if any(not math.isfinite(n) or n < 0 for n in numbers):
            raise ValueError(f"{text!r} has a number that is negative or not finite")
        if shape == "uniform" and numbers[0] > numbers[1]:
            raise ValueError(f"{text!r} has its low end above its high end")
        return cls(shape, numbers)

    def draw(self, rng: Random) -> float:
        if self.shape == "fixed":
            return self.numbers[0]
        if self.shape == "uniform":
            return rng.uniform(self.numbers[0], self.numbers[1])
        drawn = self.numbers[0] * math.exp(rng.gauss(0.0, self.numbers[1]))
        ceiling = self.numbers[2] if len(self.numbers) > 2 else 86_400.0  # noqa: PLR2004  the optional third number
        return min(drawn, ceiling)
