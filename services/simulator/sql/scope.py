"""What names mean at one place of a query: its relations, their columns, its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.simulator.catalogue import Column


@dataclass(frozen=True, slots=True)
class Relation:
    """Something that can stand in FROM. `columns` is None where they cannot be known."""

    name: str
    columns: Mapping[str, Column] | None
    """By lower-case name, in order."""
    is_data_source: bool = False


@dataclass(slots=True)
class Scope:
    """The relations of one SELECT, by lower-case alias, inside those of the query around it."""

    parameters: Mapping[str, str]
    """Declared parameters with their data types."""
    relations: dict[str, Relation] = field(default_factory=dict)
    parent: "Scope | None" = None
    aliases: frozenset[str] = frozenset()
    """Names given in the select list, usable in GROUP BY and HAVING."""

    @property
    def is_open(self) -> bool:
        """Some relation's columns are unknown, so that an unknown name proves nothing."""
        here = any(relation.columns is None for relation in self.relations.values())
        return here or (self.parent is not None and self.parent.is_open)

    def relation(self, alias: str) -> Relation | None:
        found = self.relations.get(alias.lower())
        if found is None and self.parent is not None:
            return self.parent.relation(alias)
        return found

    def find(self, name: str) -> list[Column]:
        """Every column of this name in the innermost scope that has one."""
        found = [
            relation.columns[name.lower()]
            for relation in self.relations.values()
            if relation.columns is not None and name.lower() in relation.columns
        ]
        if not found and self.parent is not None:
            return self.parent.find(name)
        return found
