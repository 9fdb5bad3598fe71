"""What a run tells: a line for each round, tables at the end, a summary for programs."""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic

from shared.observability.stop_points import StopPoint
from tests.chaos.books import Verdict
from tests.chaos.judging import Judged

_LONG_REST_SECONDS = 30.0
_SHOWN = 4
"""Violations of one invariant that are printed; the summary holds all."""


@dataclass(slots=True)
class Report:
    """Collects rounds; prints as they come."""

    logs: Path
    wanted: Collection[str] = ()
    """Faults that must strike at least once, or the run proves too little."""
    rounds: list[Judged] = field(default_factory=list)
    _begun: float = field(default_factory=monotonic)

    @property
    def is_sound(self) -> bool:
        return all(judged.is_sound for judged in self.rounds) and not self.unstruck

    @property
    def unstruck(self) -> list[str]:
        """Wanted faults that have not struck."""
        struck = {name for name, (_, strikes) in self._faults().items() if strikes}
        return sorted(set(self.wanted) - struck)

    def add(self, judged: Judged) -> None:
        """Keeps a round and prints its line, with what was violated below it."""
        self.rounds.append(judged)
        for line in lines_of(judged):
            _say(line)
        if not judged.is_sound:
            name, only = judged.outcome.plan.name, judged.outcome.plan.only
            seed = f"--seed {judged.seed}" + (f" --only {'+'.join(only)}" if only else "")
            which = f"--stop-points '{name}'" if name else seed
            _say(f"    again: .venv/bin/python -m tests.chaos {which}")
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
        if self.unstruck:
            yield f"never struck: {', '.join(self.unstruck)}"
        yield from self._table_of_stop_points()
        yield f"\n{'invariant':<32}{'checks':>9}{'violations':>12}"
        for name, (checks, violations) in self._invariants().items():
            yield f"{name:<32}{checks:>9}{violations:>12}"
        yield f"\n{'recovery after':<34}{'times':>7}{'median s':>10}{'max s':>8}"
        for name, seconds in sorted(self._recoveries().items()):
            yield f"{name:<34}{len(seconds):>7}{median(seconds):>10.1f}{max(seconds):>8.1f}"
        bad = [_called(judged) for judged in self.rounds if not judged.is_sound]
        yield (
            f"\n{len(self.rounds)} rounds, {self._executions()} executions,"
            f" {monotonic() - self._begun:.0f} s;"
            f" {'not sound: ' + ', '.join(bad) if bad else 'all invariants hold'}"
        )

    def _summary(self) -> dict[str, object]:
        return {
            "seconds": monotonic() - self._begun,
            "executions": self._executions(),
            "faults": self._faults(),
            "stop_points": {
                f"{action} {point}": count
                for (action, point), count in sorted(self._stop_points().items())
            },
            "invariants": self._invariants(),
            "recoveries": self._recoveries(),
            "rounds": [
                {
                    "seed": judged.seed,
                    "pass": judged.outcome.plan.name,
                    "executions": judged.outcome.executions,
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
        return sum(judged.outcome.executions for judged in self.rounds)

    def _faults(self) -> dict[str, tuple[int, int]]:
        """In how many rounds each struck, and how often."""
        found: dict[str, tuple[int, int]] = {}
        for judged in self.rounds:
            for fault in judged.outcome.faults:
                rounds, strikes = found.get(fault.name, (0, 0))
                found[fault.name] = (rounds + (fault.strikes > 0), strikes + fault.strikes)
        return found

    def _table_of_stop_points(self) -> Iterator[str]:
        struck = self._stop_points()
        yield f"\n{'stop point':<28}{'killed':>8}{'frozen':>9}"
        for point in StopPoint:
            yield f"{point:<28}{struck['kill', point]:>8}{struck['stop', point]:>9}"
        killed = len({point for action, point in struck if action == "kill"})
        yield f"killed at {killed} of {len(StopPoint)}"

    def _stop_points(self) -> Counter[tuple[str, str]]:
        """How often what was done to a process at each."""
        return Counter(
            each
            for judged in self.rounds
            for fault in judged.outcome.faults
            for each in fault.at_points
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
                if fault.recoveries:
                    found[f"{fault.recovers}, all are ready"] += fault.recoveries
                if fault.moved_on:
                    found[f"{fault.recovers}, work moves on"] += fault.moved_on
        return found


def _called(judged: Judged) -> str:
    return judged.outcome.plan.name or f"seed {judged.seed}"


def lines_of(judged: Judged) -> Iterator[str]:
    """A round in one line; more only if something does not hold."""
    outcome = judged.outcome
    faults = ", ".join(f"{each.name} x{each.strikes}" for each in outcome.faults)
    rest = "never" if outcome.rest_seconds is None else f"{outcome.rest_seconds:.1f} s"
    verdict = "sound" if judged.is_sound else "NOT SOUND"
    yield (
        f"{_called(judged):<10}  {outcome.executions:>4} executions"
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
