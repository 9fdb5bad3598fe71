"""Failures on demand: rules that the admin endpoint sets and requests use up."""

import re
from dataclasses import dataclass, field
from random import Random
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.simulator.distribution import seeded

_PLAIN = frozenset(
    {
        "429", "429-message", "429-html", "403", "500", "502", "503", "504", "drop-before",
        "drop-after", "truncate", "malformed-json", "empty-body", "expire-token", "revoke",
        "corrupt", "short-body", "wrong-length", "duplicate-page",
    }
)  # fmt: skip
_TIMED = frozenset({"slow", "late-create", "late-create-drop"})
_MAX_SECONDS = 86_400.0


def _fault(text: str) -> str:
    kind, colon, seconds = text.partition(":")
    if not colon and kind in _PLAIN:
        return text
    is_number = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", seconds)
    if colon and kind in _TIMED and is_number and float(seconds) <= _MAX_SECONDS:
        return text
    known = ", ".join(sorted(_PLAIN) + [f"{kind}:SECONDS" for kind in sorted(_TIMED)])
    raise ValueError(f"unknown fault {text!r}; known are {known}")


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


class Match(BaseModel):
    """Which requests a rule is for; what is left out matches all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str | None = None
    path_regex: Annotated[str, AfterValidator(_pattern)] | None = None
    instance_id: str | None = None

    def fits(self, method: str, path: str, instance_id: str | None) -> bool:
        if self.method is not None and self.method.upper() != method:
            return False
        if self.instance_id is not None and self.instance_id != instance_id:
            return False
        return self.path_regex is None or re.search(self.path_regex, path) is not None


class FaultRule(BaseModel):
    """The body of POST /_simulator/faults. `count` is how often it strikes; null: for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: Match = Match()
    fault: Annotated[str, AfterValidator(_fault)]
    count: Annotated[int, Field(ge=1)] | None = 1
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0

    @property
    def kind(self) -> str:
        return self.fault.partition(":")[0]

    @property
    def seconds(self) -> float:
        return float(self.fault.partition(":")[2] or 0)


@dataclass(slots=True)
class ActiveFault:
    """A rule with what is left of it. Its draws are its own, so that other traffic and other
    rules do not change which of its requests it strikes."""

    id: int
    rule: FaultRule
    left: int | None
    rng: Random
    struck: int = 0
    of_profile: bool = False
    drawn: int = 0
    """Draws so far, by which a restart finds its place in them."""


@dataclass(slots=True)
class Faults:
    """The rules in force, oldest first; the first that fits and wins its draw strikes."""

    rng: Random
    active: list[ActiveFault] = field(default_factory=list)
    seed: int = field(init=False)
    last_id: int = 0
    strikes: int = 0
    """Of all rules in this process, those that are used up too."""

    def __post_init__(self) -> None:
        self.seed = self.rng.getrandbits(64)

    def add(self, rule: FaultRule, *, of_profile: bool = False) -> ActiveFault:
        """Puts a rule behind those of its kind; a profile's rules come after all others."""
        number = self.last_id = self.last_id + 1
        rng = seeded(self.seed, "rule", number)
        added = ActiveFault(number, rule, rule.count, rng, of_profile=of_profile)
        self.active.append(added)
        self.active.sort(key=lambda fault: fault.of_profile)
        return added

    def take(self, method: str, path: str, instance_id: str | None) -> FaultRule | None:
        """The rule that strikes this request, with one use of it gone."""
        for fault in self.active:
            if not fault.rule.match.fits(method, path, instance_id):
                continue
            fault.drawn += 1
            if fault.rng.random() >= fault.rule.probability:
                continue
            fault.struck += 1
            self.strikes += 1
            if fault.left is not None:
                fault.left -= 1
                if fault.left == 0:
                    self.active.remove(fault)
            return fault.rule
        return None

    def clear(self, *, of_profile: bool = False) -> None:
        """Drops every rule, or those of the profile."""
        self.active = [f for f in self.active if of_profile and not f.of_profile]

    def replay(self, seed: int | None) -> None:
        """Starts the draws of the rules in force again, by another seed if one is given."""
        if seed is not None:
            self.seed = seeded(seed, "faults").getrandbits(64)
        for position, fault in enumerate(self.active, start=1):
            fault.id, fault.rng = position, seeded(self.seed, "rule", position)
            fault.struck, fault.left, fault.drawn = 0, fault.rule.count, 0
        self.last_id = len(self.active)

    def restore(self, fault: ActiveFault) -> None:
        """Takes in a rule of an earlier process, where it stood in its draws."""
        fault.rng = seeded(self.seed, "rule", fault.id)
        for _ in range(fault.drawn):
            fault.rng.random()
        self.active.append(fault)
        self.active.sort(key=lambda known: known.of_profile)
