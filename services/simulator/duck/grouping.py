"""How one SELECT groups its rows, and what that does to the users behind them."""

from dataclasses import dataclass, field

from sqlglot import exp

from services.simulator.duck.bound import Bound, Mode, Scope, Slot
from services.simulator.duck.slots import counted, merged

GATHERING = frozenset({"COLLECT", "ARRAY_AGG"})
GATHERED = "An array of several users' values would show each of them; group by user_id, or count"


@dataclass(slots=True)
class Grouping:
    """The keys of a SELECT; `grouped` is False for one that keeps its rows."""

    scope: Scope
    grouped: bool
    outermost: bool
    """Its slots are wanted as numbers, not as sets."""
    key_nodes: set[exp.Expr] = field(default_factory=set)
    keys: dict[str, Bound] = field(default_factory=dict)
    """Keys that are not constant, by their SQL."""
    kept: list[Slot] = field(default_factory=list)
    """Users behind what HAVING looked at."""

    @property
    def mode(self) -> Mode:
        return Mode.COUNT if self.outermost and self.grouped else Mode.SET

    def user_slots(self) -> set[str]:
        """Slots whose user is a key: each group is then one user's."""
        settled = (self.scope.settled(key) for key in self.keys.values())
        return {slot for slot in settled if slot is not None}

    def row_slots(self) -> list[Slot]:
        """The slots of the rows that come out."""
        slots = self.scope.row_slots()
        if not self.grouped:
            return slots
        users = self.user_slots()
        return [*(self._out(slot, users) for slot in slots), *self.kept]

    def _out(self, slot: Slot, users: set[str]) -> Slot:
        if self.keeps(slot, users):
            return Slot(f"min({slot.sql})", Mode.ONE, slot.source)
        return self.over(slot, None)

    def keeps(self, slot: Slot, users: set[str]) -> bool:
        """The groups of this slot's path are one user's each."""
        return slot.mode is Mode.ONE and any(
            self.scope.representative(one) in users for one in self._members_of(slot)
        )

    def _members_of(self, slot: Slot) -> list[str]:
        text = slot.sql.removeprefix("coalesce(").rstrip(")")
        return [part.strip() for part in text.split(",")]

    def over(self, slot: Slot, condition: str | None) -> Slot:
        """The users of a group's rows for which a condition holds."""
        text = counted(slot, condition) if self.mode is Mode.COUNT else merged(slot, condition)
        return Slot(text, self.mode, slot.source)

    def contributors(self, own: frozenset[Slot], condition: str | None) -> frozenset[Slot]:
        """Who stands behind an aggregate: those whose rows meet the condition."""
        if condition is None and not own:
            return frozenset()
        users = self.user_slots()
        slots = [slot for slot in self.scope.row_slots() if not self.keeps(slot, users)]
        return frozenset(self.over(slot, condition) for slot in [*slots, *own])
