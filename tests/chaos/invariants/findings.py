"""How a check says what it looked at and what does not hold."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos.books import Books, Verdict


@dataclass(slots=True)
class Findings:
    """Counts looks and collects violations."""

    checks: int = 0
    violations: list[str] = field(default_factory=list)

    def expect(self, holds: object, violation: str) -> None:
        """One look at one thing."""
        self.checks += 1
        if not holds:
            self.violations.append(violation)


@dataclass(frozen=True, slots=True)
class Invariant:
    """A sentence that must be true of every round, and who looks whether it is."""

    name: str
    sentence: str
    look: Callable[[Books, Findings], None]

    def judge(self, books: Books) -> Verdict:
        findings = Findings()
        self.look(books, findings)
        return Verdict(self.name, self.sentence, findings.checks, tuple(findings.violations))
