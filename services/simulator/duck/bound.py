"""What the binder knows of an expression, of a relation's rows, and of the users behind them.

A slot is a hidden column that says whose rows a row rests on: one user's ordinal (ONE) or the
smallest 101 of them (SET), or, in the outermost query, their number (COUNT). NULL means that the
row does not rest on that path at all; -1 is somebody who was not recognised and counts as nobody.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

LEVELS = ("NONE", "LOW", "MEDIUM", "HIGH", "VERY_HIGH", "INTERNAL")
NONE, LOW, MEDIUM, HIGH, VERY_HIGH, INTERNAL = range(6)
NEEDED_USERS = (1, 2, 100, 100)
CAP = 101


class Mode(StrEnum):
    """What a slot holds."""

    ONE = "one user"
    SET = "a capped set of users"
    COUNT = "a number of users"


@dataclass(frozen=True, slots=True)
class Slot:
    """A hidden column `sql` of the rows at hand; `source` is the table it began in."""

    sql: str
    mode: Mode
    source: str


@dataclass(frozen=True, slots=True)
class Bound:
    """An expression of the query with its translation."""

    sql: str
    data_type: str
    level: int = NONE
    role: str = "DIMENSION"
    literal: bool = False
    """A literal or a parameter had a part in the value."""
    constant: bool = False
    """No column had a part in the value."""
    user: str | None = None
    """The slot whose user id this is."""
    also: frozenset[str] = frozenset()
    """Slots whose user id it is where the first one's is missing, after an outer join."""
    own: frozenset[Slot] = frozenset()
    """Users behind the value itself, where they may be fewer than those behind its row."""
    aggregate: bool = False


@dataclass(frozen=True, slots=True)
class OutColumn:
    """A column `c<n>` of a bound query; `user` and `own` are numbers of its slots."""

    name: str
    bound: Bound
    user: int | None = None
    own: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A translated query: columns c0.., row slots s0.., slots of single columns m0.. ."""

    sql: str
    columns: tuple[OutColumn, ...]
    slots: tuple[Slot, ...] = ()
    own_slots: tuple[Slot, ...] = ()
    has_aggregate: bool = False


@dataclass(slots=True)
class Member:
    """A relation in FROM, under a name of ours."""

    columns: Mapping[str, Bound]
    slots: tuple[Slot, ...]
    text: Callable[[], str]
    """Its SQL; asked for last, when it is known which columns were used."""
    is_table: bool = False


@dataclass(slots=True)
class Scope:
    """The relations of one SELECT inside those of the query around it."""

    parent: "Scope | None" = None
    members: dict[str, Member] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    """Slots that an equality of user ids has made one: name to representative."""
    shared: set[str] = field(default_factory=set)
    """Columns joined by USING."""
    absent: set[str] = field(default_factory=set)
    """Slots of relations whose rows an outer join may leave out."""
    behind: dict[str, Slot] = field(default_factory=dict)
    """Users behind what a condition or a key looked at: no row is there without them."""

    def representative(self, slot: str) -> str:
        while slot in self.same:
            slot = self.same[slot]
        return slot

    def unite(self, one: str, other: str) -> None:
        one, other = self.representative(one), self.representative(other)
        if one != other:
            self.same[other] = one

    def is_alone(self, slot: str) -> bool:
        """No equality has made this slot another's."""
        return slot not in self.same and slot not in self.same.values()

    def lean_on(self, bound: Bound) -> None:
        """The rows are there because of this value, so that its users stand behind them."""
        self.behind |= {slot.sql: slot for slot in bound.own}

    def settled(self, bound: Bound) -> str | None:
        """The slot whose user every row with this id belongs to; None if an outer join may have
        left the id out of rows that are somebody's."""
        if bound.user is None:
            return None
        wanted = self.representative(bound.user)
        group = {name for name in self._names() if self.representative(name) == wanted}
        known = {bound.user, *bound.also}
        return wanted if known - self.absent or group <= known else None

    def row_slots(self) -> list[Slot]:
        """One slot for each user the rows rest on, but for users of the query around."""
        groups: dict[str, list[Slot]] = {}
        for member in self.members.values():
            for slot in member.slots:
                groups.setdefault(self.representative(slot.sql), []).append(slot)
        around = {self.representative(name) for name in self._all_names() - self._names()}
        found = [_united(slots) for name, slots in groups.items() if name not in around]
        return [*found, *self.behind.values()]

    def _names(self) -> set[str]:
        return {slot.sql for member in self.members.values() for slot in member.slots}

    def _all_names(self) -> set[str]:
        return {*self.same, *self.same.values()}


def _united(slots: list[Slot]) -> Slot:
    if len(slots) == 1:
        return slots[0]
    return replace(slots[0], sql=f"coalesce({', '.join(slot.sql for slot in slots)})")


def member_of(query: BoundQuery, name: str) -> Member:
    """A bound query as a relation called `name`."""
    own = [replace(slot, sql=f"{name}.m{n}") for n, slot in enumerate(query.own_slots)]
    columns = {
        column.name.lower(): replace(
            column.bound,
            sql=f"{name}.c{number}",
            constant=False,
            aggregate=False,
            user=None if column.user is None else f"{name}.s{column.user}",
            also=frozenset(),
            own=frozenset(own[n] for n in column.own),
        )
        for number, column in enumerate(query.columns)
    }
    slots = tuple(replace(slot, sql=f"{name}.s{n}") for n, slot in enumerate(query.slots))
    return Member(columns, slots, lambda: f"({query.sql}) {name}")
