"""What a seed decides: which work is asked for, by which door, and which faults strike when.

The same seed is the same plan. What the machine adds, the order in which processes get their
turn, no seed decides: a plan that failed may have to run a few times to fail again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from tests.chaos.books import Door

ROLLING_SEED = 0
"""The plan of a rolling restart under a thousand executions."""


@dataclass(frozen=True, slots=True)
class InstancePlan:
    """One instance: its limit, and on which of the plan's accounts it is."""

    account: int
    limit: int


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of the client, `at` seconds after the start, sent so many times."""

    at: float
    door: Door
    key: str
    items: tuple[tuple[int, int, int], ...]
    """Workflow, instance and priority of each execution."""
    times: int = 1
    cancel_after: float | None = None
    """Seconds from the answer until its first execution is cancelled."""


@dataclass(frozen=True, slots=True)
class LimitChange:
    """An instance's limit is set anew."""

    at: float
    instance: int
    limit: int


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """One fault: its name, when it begins, how long it lasts, and what it chooses by."""

    name: str
    at: float
    lasts: float
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole round."""

    seed: int
    accounts: tuple[int, ...]
    """The limit of each account."""
    instances: tuple[InstancePlan, ...]
    workflows: tuple[tuple[str, ...], ...]
    """The directives of each, for the simulator."""
    asks: tuple[Ask, ...]
    faults: tuple[FaultPlan, ...]
    limits: tuple[LimitChange, ...] = field(default=())
    name: str = ""
    """Of a pass over stop points, which no seed decides."""
    only: Sequence[str] = ()
    """The faults that were asked for, instead of those of the seed."""
    asks_until_healed: bool = False
    """The requests are there for the faults to strike: none is made after the last fault."""

    @property
    def executions(self) -> int:
        return sum(len(ask.items) for ask in self.asks)


_DOORS: tuple[Door, ...] = ("rest", "bulk", "queue")
_LOAD_SECONDS = 6.0


def plan_of(seed: int, deck: Sequence[str], *, only: Sequence[str] = ()) -> Plan:
    """The plan of a seed over the faults there are; `only`: with these instead of its own."""
    if seed == ROLLING_SEED:
        return _rolling(only)
    rng = Random(f"plan {seed}")
    accounts = tuple(rng.choice((200, 200, 6)) for _ in range(rng.choice((1, 2))))
    instances = tuple(
        InstancePlan(rng.randrange(len(accounts)), rng.randint(3, 6))
        for _ in range(rng.choice((2, 3)))
    )
    workflows = _workflows(rng)
    return Plan(
        seed=seed,
        accounts=accounts,
        instances=instances,
        workflows=workflows,
        asks=_asks(rng, len(workflows), len(instances)),
        faults=_faults(rng, seed, deck, only),
        limits=_limits(rng, len(instances)),
        only=only,
    )


def _workflows(rng: Random) -> tuple[tuple[str, ...], ...]:
    """A plain one, one with several files, and one that is short, long, empty or fails."""
    odd: Sequence[tuple[str, ...]] = (
        ('fail "Chaos asked for it."',),
        ('reject "Chaos asked for it."',),
        ("rows 0",),
        ("duration 300",),
        ("columns-change",),
    )
    return ((), (f"rows {rng.randint(60, 400)}", f"parts {rng.randint(2, 5)}"), rng.choice(odd))


def _asks(rng: Random, workflows: int, instances: int) -> tuple[Ask, ...]:
    def item() -> tuple[int, int, int]:
        workflow = rng.choices(range(workflows), (6, 3, 1))[0]
        return workflow, rng.randrange(instances), rng.choice((5, 5, 5, 0, 9))

    def ask(number: int) -> Ask:
        door = rng.choices(_DOORS, (6, 2, 2))[0]
        count = 1 if door == "rest" else rng.randint(2, 6)
        return Ask(
            at=rng.uniform(0, _LOAD_SECONDS),
            door=door,
            key=f"{door}-{number}",
            items=tuple(item() for _ in range(count)),
            times=rng.choice((1, 1, 1, 2, 3)),
            cancel_after=rng.uniform(0, 4) if rng.random() < 0.25 else None,
        )

    return tuple(sorted((ask(number) for number in range(20)), key=lambda each: each.at))


def _limits(rng: Random, instances: int) -> tuple[LimitChange, ...]:
    if rng.random() < 0.6:
        return ()
    return (LimitChange(rng.uniform(1, 6), rng.randrange(instances), rng.randint(1, 7)),)


def _faults(
    rng: Random, seed: int, deck: Sequence[str], only: Sequence[str]
) -> tuple[FaultPlan, ...]:
    """The first two by turns, so that some seeds in a row meet all there are."""
    shuffled = sorted(deck)
    Random("deck").shuffle(shuffled)
    names = [shuffled[seed % len(shuffled)], shuffled[(seed * 2 + 17) % len(shuffled)]]
    names = names[: rng.choice((1, 2, 2, 2))]
    names += rng.sample(shuffled, rng.choice((0, 0, 1, 2)))
    return tuple(
        FaultPlan(name, rng.uniform(0.3, 4), rng.uniform(1, 5), rng.getrandbits(32))
        for name in (only or dict.fromkeys(names))
    )


def _rolling(only: Sequence[str]) -> Plan:
    instances = 10
    items = tuple((0, number % instances, 5) for number in range(1000))
    door: Literal["bulk"] = "bulk"
    asks = tuple(
        Ask(at=0.2 * part, door=door, key=f"rolling-{part}", items=items[part * 100 :][:100])
        for part in range(10)
    )
    return Plan(
        seed=ROLLING_SEED,
        accounts=(1000,),
        instances=tuple(InstancePlan(0, 20) for _ in range(instances)),
        workflows=((),),
        asks=asks,
        faults=tuple(FaultPlan(name, 3, 0, 1) for name in only or ("rolling_restart",)),
        only=only,
    )
