"""What a run tells: a line for each round, tables at the end, a summary for programs."""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic

from tests.chaos.books import Verdict
from tests.chaos.judging import Judged

_LONG_REST_SECONDS = 30.0
_SHOWN = 4
"""Violations of one invariant that are printed; the summary holds all."""


@dataclass(slots=True)
class Report:
    """Collects rounds; prints as they come."""

    logs: Path
    only: str | None = None
    rounds: list[Judged] = field(default_factory=list)
    _begun: float = field(default_factory=monotonic)

    @property
    def is_sound(self) -> bool:
        return all(judged.is_sound for judged in self.rounds)

    def add(self, judged: Judged) -> None:
        """Keeps a round and prints its line, with what was violated below it."""
        self.rounds.append(judged)
        for line in lines_of(judged):
            _say(line)
        if not judged.is_sound:
            only = f" --only {self.only}" if self.only else ""
            _say(f"    again: .venv/bin/python -m tests.chaos --seed {judged.seed}{only}")
            _say(f"    logs:  {self.logs}")

    def close(self, folder: Path) -> Path:
        """Prints the tables and writes the summary."""
        for line in self._tables():
            _say(line)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "summary.json"
        path.write_text(json.dumps(self._summary(), indent=1))
        _say(f"\nsummary: {path}")
        return path

    def _tables(self) -> Iterator[str]:
        yield f"\n{'fault':<28}{'rounds':>8}{'strikes':>9}"
        for name, (rounds, strikes) in sorted(self._faults().items()):
            yield f"{name:<28}{rounds:>8}{strikes:>9}"
        points = self._stop_points()
        yield f"\nstop points struck: {sum(points.values())} times at {len(points)} of them"
        yield f"\n{'invariant':<32}{'checks':>9}{'violations':>12}"
        for name, (checks, violations) in self._invariants().items():
            yield f"{name:<32}{checks:>9}{violations:>12}"
        yield f"\n{'recovery after':<20}{'times':>7}{'median s':>10}{'max s':>8}"
        for name, seconds in sorted(self._recoveries().items()):
            yield f"{name:<20}{len(seconds):>7}{median(seconds):>10.1f}{max(seconds):>8.1f}"
        bad = [judged.seed for judged in self.rounds if not judged.is_sound]
        yield (
            f"\n{len(self.rounds)} rounds, {self._executions()} executions,"
            f" {monotonic() - self._begun:.0f} s;"
            f" {'all invariants hold' if not bad else f'not sound: seeds {bad}'}"
        )

    def _summary(self) -> dict[str, object]:
        return {
            "seconds": monotonic() - self._begun,
            "executions": self._executions(),
            "faults": self._faults(),
            "stop_points": self._stop_points(),
            "invariants": self._invariants(),
            "recoveries": self._recoveries(),
            "rounds": [
                {
                    "seed": judged.seed,
                    "executions": judged.outcome.plan.executions,
                    "seconds": judged.outcome.seconds,
                    "rest_seconds": judged.outcome.rest_seconds,
                    "unrest": judged.outcome.unrest,
                    "faults": [asdict(each) for each in judged.outcome.faults],
                    "problems": judged.outcome.problems,
                    "violations": {each.invariant: each.violations for each in judged.violated},
                }
                for judged in self.rounds
            ],
        }

    def _executions(self) -> int:
        return sum(judged.outcome.plan.executions for judged in self.rounds)

    def _faults(self) -> dict[str, tuple[int, int]]:
        """In how many rounds each struck, and how often."""
        found: dict[str, tuple[int, int]] = {}
        for judged in self.rounds:
            for fault in judged.outcome.faults:
                rounds, strikes = found.get(fault.name, (0, 0))
                found[fault.name] = (rounds + (fault.strikes > 0), strikes + fault.strikes)
        return found

    def _stop_points(self) -> Counter[str]:
        return Counter(
            point
            for judged in self.rounds
            for fault in judged.outcome.faults
            if fault.name.startswith(("kill_", "freeze_at"))
            for point in fault.detail.split()
        )

    def _invariants(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for judged in self.rounds:
            for each in judged.verdicts:
                checks, violations = found.get(each.invariant, (0, 0))
                found[each.invariant] = (
                    checks + each.checks,
                    violations + len(each.violations),
                )
        return found

    def _recoveries(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = defaultdict(list)
        for judged in self.rounds:
            for fault in judged.outcome.faults:
                if fault.recovers is not None and fault.recovery_seconds is not None:
                    found[fault.recovers].append(fault.recovery_seconds)
        return found


def lines_of(judged: Judged) -> Iterator[str]:
    """A round in one line; more only if something does not hold."""
    outcome = judged.outcome
    faults = ", ".join(f"{each.name} x{each.strikes}" for each in outcome.faults)
    rest = "never" if outcome.rest_seconds is None else f"{outcome.rest_seconds:.1f} s"
    verdict = "sound" if judged.is_sound else "NOT SOUND"
    yield (
        f"seed {judged.seed:>3}  {outcome.plan.executions:>4} executions"
        f"  rest {rest:>7}  round {outcome.seconds:>5.1f} s  {verdict}  [{faults}]"
    )
    if (outcome.rest_seconds or 0) > _LONG_REST_SECONDS:
        latest = sorted(outcome.unrest.items(), key=lambda each: each[1])[-3:]
        yield f"    rest waited for {'; '.join(f'{what} until {at} s' for what, at in latest)}"
    for problem in outcome.problems:
        yield f"    problem: {problem}"
    for each in judged.violated:
        yield from _violated(each)


def _violated(verdict: Verdict) -> Iterator[str]:
    yield f"    {verdict.invariant}: {len(verdict.violations)} of {verdict.checks} checks"
    yield f"      {verdict.sentence}"
    shown: Sequence[str] = verdict.violations[:_SHOWN]
    yield from (f"      - {violation}" for violation in shown)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
