"""Takes users away from the data and looks whose absence a shown row notices.

A row rests on a user if the row, or a metric of it, is another without that user: in the whole
data, or in some part of them, so that of two users who say the same neither is overlooked. Users
are taken away from all tables and from one table at a time: a row may need many for one table and
one for another. AMC counts them by path as well, and the weakest path decides. In a single table
only who adds to a row counts: that somebody is not there is nobody's to show or hide.

Two things look like leaks and are none. Beyond a limit other than 0 (`n > 3`) one user's many
events decide, though others' are counted with them; and a UNION of users' rows is one path, whose
users are counted together. Of such plans only the metrics are looked at, without all of a user.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from services.simulator.duck import bound, thresholds
from services.simulator.duck.facts import Facts
from services.simulator.duck.generator import generate
from services.simulator.duck.plan import DataPlan
from services.simulator.duck.prepare import prepare
from services.simulator.duck.thresholds import Privacy

FACT_TABLES = ("shown", "clicked", "sponsored", "converted", "credited")
NEEDS = (1, 2, 3, 3)
"""What classes ask for here: few users make quick oracles."""
_WALKS = 6
_THERE = "1.5"
"""A row's being there is a value like its metrics: somebody's traffic may have put it there."""
_COARSE = re.compile(r"UNION|[<>]=? [1-9]|t\.a < u\.a")
START, END = datetime(2026, 8, 1), datetime(2026, 8, 31)  # noqa: DTZ001  UTC, as the file has it
FACTS = Facts(START, END, values={})
USERS = 8
Rows = dict[str, tuple]


@contextmanager
def low_needs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bound, "NEEDED_USERS", NEEDS)
        patch.setattr(thresholds, "NEEDED_USERS", NEEDS)
        yield


@dataclass(slots=True)
class Worlds:
    """A data file whose users can be taken away, from all tables or from one."""

    connection: duckdb.DuckDBPyConnection
    users: int
    everybody: frozenset[int] = field(init=False)
    _present: dict[str, frozenset[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.everybody = frozenset(range(self.users))
        self.connection.execute("SET TimeZone = 'UTC'")
        # Few of a few users click; here every fourth impression is.
        self.connection.execute(
            "INSERT INTO clicked BY NAME SELECT ts + INTERVAL 1 MINUTE AS ts, uid, ad, place, cost,"
            " key, ts AS its, key AS ikey FROM shown WHERE hash(key) % 4 = 0"
        )
        self.connection.execute("CREATE SCHEMA w")
        self.connection.execute("SET search_path = 'w,main'")

    def rows(
        self, sql: str, tables: Iterable[str] = (), users: frozenset[int] | None = None
    ) -> list[tuple]:
        """With only these users in these tables, and everybody in all others."""
        chosen = set(tables) if users is not None else set()
        for name in FACT_TABLES:
            self._let_in(name, (users or frozenset()) if name in chosen else self.everybody)
        return self.connection.execute(sql).fetchall()

    def _let_in(self, name: str, users: frozenset[int]) -> None:
        if self._present.get(name) == users:
            return
        self._present[name] = users
        known = ", ".join(map(str, [-1, *sorted(users)]))
        self.connection.execute(
            f"CREATE OR REPLACE TABLE w.{name} AS"
            f" SELECT * FROM main.{name} WHERE uid IN ({known}) AND ts >= TIMESTAMP '2026-07-20'"
        )


@contextmanager
def worlds_in(path: Path) -> Iterator[Worlds]:
    """A month of a few users, in this new file."""
    generate(DataPlan(7, "amcsimnwus1", USERS, 0, 0).covering(START, END), path)
    with duckdb.connect(str(path), config={"threads": 1}) as connection:
        yield Worlds(connection, USERS)


@dataclass(slots=True)
class Verdict:
    """What the oracle found of one query."""

    rows: int = 0
    leaks: list[str] = field(default_factory=list)


def judge(worlds: Worlds, sql: str, facts: Facts, **privacy) -> Verdict:
    """CompileError for what is refused. Rows are told apart by k, or else by all they show."""
    with low_needs():
        guarded = prepare(sql, facts, Privacy(**privacy))
    names = [column.name for column in guarded.columns]
    plain = prepare(sql, replace(facts, controls=False), Privacy(controls=False)).sql
    need = needed_of(guarded.sql)
    shown = worlds.rows(guarded.sql)
    found = Verdict(len(shown))
    used = [name for name in FACT_TABLES if f" {name} f" in plain]
    whole = _keyed(worlds.rows(plain))
    assert all(whole[row[0]][1:] == row[1:] for row in shown)
    strict = _COARSE.search(sql) is None
    for tables in [used, *([name] for name in used if len(used) > 1 and strict)]:
        counts = _Counts(worlds, plain, tables, whole, tables != used, strict)
        for row in shown:
            found.leaks += counts.weak(row[0], names, need)
    return found


def needed_of(guarded: str) -> int:
    """What the columns' classes ask for, as the query says it; no test where no user is read."""
    found = re.search(r"du >= (\d+)", guarded)
    return int(found[1]) if found else 0


def _keyed(rows: list[tuple]) -> Rows:
    return {row[0]: (_THERE, *row[1:]) for row in rows}


@dataclass(slots=True)
class _Counts:
    """Who matters to each value of a result, looked for only as long as it takes."""

    worlds: Worlds
    sql: str
    tables: list[str]
    whole: Rows
    adds_only: bool
    strict: bool
    _without: list[Rows] | None = None
    _walked: dict[tuple[str, int], set[int]] = field(default_factory=dict)
    _walks: int = 0

    def weak(self, key: str, names: list[str], need: int) -> list[str]:
        """What of a row rests on too few, in words."""
        row, found = self.whole[key], []
        for place, value in enumerate(row):
            if value in {None, "0", "0.0"} or (place == 0 and not self.strict):
                continue
            known = self.of(key, place, need)
            # Nobody's is what shows the same of unrecognised people alone.
            if 0 < known < need:
                found.append(f"{names[place]} of {key}, {row} rests on {known} in {self.tables}")
        return found

    def of(self, key: str, place: int, need: int) -> int:
        """As many as there are, or as are needed."""
        known = self._matter(key, place)
        if not known and (self.adds_only or place == 0):
            return 0
        while len(known) < need and self._walks < _WALKS:
            self._walk()
            known = known | self._walked.get((key, place), set())
        return len(known | self._walked.get((key, place), set()))

    def _matter(self, key: str, place: int) -> set[int]:
        if self._without is None:
            everybody = self.worlds.everybody
            self._without = [self._rows(everybody - {user}) for user in sorted(everybody)]
        value = self.whole[key][place]
        return {
            user
            for user, rows in enumerate(self._without)
            if self._differs(rows[key][place] if key in rows else None, value)
        }

    def _differs(self, before: str | None, after: str | None) -> bool:
        """In one table, only if the value is more with the user than without."""
        if before is None or after is None or not self.adds_only:
            return before != after and not (self.adds_only and after is None)
        return float(before) < float(after)

    def _rows(self, users: frozenset[int]) -> Rows:
        return _keyed(self.worlds.rows(self.sql, self.tables, users))

    def _walk(self) -> None:
        """Users come back one by one, in some order; each change is the last one's."""
        self._walks += 1
        order = sorted(self.worlds.everybody)
        random.Random(self._walks).shuffle(order)
        present: frozenset[int] = frozenset()
        before = self._rows(present)
        for user in order:
            present |= {user}
            after = self._rows(present)
            self._note(before, after, user)
            before = after

    def _note(self, before: Rows, after: Rows, user: int) -> None:
        for key, values in self.whole.items():
            for place in range(len(values)):
                pair = [rows[key][place] if key in rows else None for rows in (before, after)]
                if self._differs(pair[0], pair[1]):
                    self._walked.setdefault((key, place), set()).add(user)


Judge = Callable[..., Verdict]
