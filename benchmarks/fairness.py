"""What 10,000 executions in line cost those who should not have to wait behind them.

The whole stack runs; executions at AMC take a day, so a slot comes free exactly when the limit of
its instance is raised by one, which is done right after the probe was accepted. A wait is counted
from there (on an idle instance: from acceptance) to the commit of the intent, after which the
create call leaves; both by the database's clock. First all of it on the empty system, then with
the lines: nothing empties 10,000 rows between two probes. The nth probe of either half is a pair.
"""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from benchmarks.frame import Context, Pairs, Row, Target
from benchmarks.town import Place, Town, open_town
from deploy.local.welcome import Api
from shared.db.pool import open_database
from shared.db.service_tokens import ServiceTokens
from shared.domain.ids import EXECUTION_PREFIX, read
from shared.security.service_tokens import hash_service_token, new_service_token

_IDLE, _URGENT, _SHARED = (Place(name, at_once=10_000) for name in ("idle", "urgent", "shared"))
_BUSY_SLOTS: Final = 2
_MORE_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 30.0
_NEVER: Final = 1_000_000.0
"""Seconds of a probe that was not admitted at all."""

_FATE: Final = """
select extract(epoch from a.intent_at - coalesce($2, e.created_at))::float8 as seconds,
       (select count(*) from workflow_executions o
         where o.instance_id = e.instance_id and o.id <> e.id
           and o.admitted_at > coalesce($2, e.created_at) and o.admitted_at <= e.admitted_at)
         as before
  from workflow_executions e
  join submission_attempts a on a.execution_id = e.id
 where e.id = $1 and a.attempt = 1
"""
_USED: Final = """
select count(*) as n from workflow_executions e join amc_instances i on i.id = e.instance_id
 where i.amc_instance_id = $1 and e.state in ('submitting', 'pending', 'running')
"""


@dataclass(frozen=True, slots=True)
class Fate:
    """How long a probe waited, and how many of its instance were admitted before it."""

    seconds: float
    before: int


Probe = Callable[[], Fate]


@dataclass(frozen=True, slots=True)
class Bench:
    """A running stack with two owners."""

    town: Town
    second: Api
    workflow: str

    def fill(self, place: Place) -> None:
        """As many as run at once: from now on whoever comes has to wait."""
        self.set_limit(place, _BUSY_SLOTS)
        self.town.ask(self.workflow, [place.id] * _BUSY_SLOTS)
        self._wait_until_sent(place)

    def set_limit(self, place: Place, limit: int) -> None:
        """Through the API, which admits what the new limit lets in."""
        self.town.api.patch(f"/instances/{place.id}", {"max_concurrent_executions": limit})

    def close(self, place: Place) -> int:
        """No more slots than are in use, so that whoever comes has to wait; how many."""
        used: int = self.town.rows(_USED, place.id)[0]["n"]
        self.set_limit(place, used)
        return used

    def idle(self) -> Fate:
        """On an instance with free slots."""
        return self._fate(self._ask(self.town.api, _IDLE, priority=5), since=None)

    def urgent(self) -> Fate:
        """Of the highest priority, on the instance whose line is full of others."""
        return self._behind(self.town.api, _URGENT, priority=9, slots=1)

    def second_owner(self) -> Fate:
        """Of another owner than all others in line: within two."""
        return self._behind(self.second, _SHARED, priority=5, slots=2)

    def _behind(self, api: Api, place: Place, *, priority: int, slots: int) -> Fate:
        in_use = self.close(place)
        probe = self._ask(api, place, priority=priority)
        opened = self.town.rows("select clock_timestamp() as now")[0]["now"]
        self.set_limit(place, in_use + slots)
        return self._fate(probe, since=opened)

    def _ask(self, api: Api, place: Place, *, priority: int) -> str:
        body = {"instance_id": place.id, "priority": priority}
        return str(api.post(f"/workflows/{self.workflow}/executions", body)["id"])

    def _fate(self, probe: str, *, since: datetime | None) -> Fate:
        key = read(EXECUTION_PREFIX, probe, what="execution")
        deadline = time.monotonic() + _LONGEST_SECONDS
        while not (found := self.town.rows(_FATE, key, since)):
            if time.monotonic() > deadline:
                return Fate(_NEVER, before=-1)
            time.sleep(0.1)
        return Fate(found[0]["seconds"], found[0]["before"])

    def _wait_until_sent(self, place: Place) -> None:
        waiting = (
            "select count(*) as n from workflow_executions e"
            " join amc_instances i on i.id = e.instance_id"
            " where i.amc_instance_id = $1 and e.amc_execution_id is null"
        )
        deadline = time.monotonic() + _LONGEST_SECONDS
        while self.town.rows(waiting, place.id)[0]["n"]:
            assert time.monotonic() < deadline, f"{place.id}: not submitted"
            time.sleep(0.2)


def run(context: Context) -> list[Row]:
    """Three rows: an idle instance, a high priority, a second owner."""
    probes = context.pick(full=20, quick=5, tiny=1)
    in_line = context.pick(full=10_000, quick=10_000, tiny=50)
    simulator = {"DURATION_PROFILE": "fixed:86000"}
    with (
        open_town(context, "fairness", (_IDLE, _URGENT, _SHARED), simulator=simulator) as town,
        contextlib.closing(Api(town.stack.api_url, _token(town, "second"))) as second,
    ):
        bench = Bench(town, second, town.workflow())
        for place in (_URGENT, _SHARED):
            bench.fill(place)
        bench.idle()  # AMC knows the workflow there now
        kinds: dict[str, tuple[Probe, int]] = {
            "fairness idle instance": (bench.idle, 0),
            "fairness priority": (bench.urgent, 0),
            "fairness second owner": (bench.second_owner, 1),
        }
        empty = _measured(kinds, probes)
        for place in (_URGENT, _SHARED):
            bench.close(place)
            town.ask(bench.workflow, [place.id] * in_line)
        context.say(f"{in_line:,} in line on each of two instances")
        crowded = _measured(kinds, probes)
    return [
        _row(name, empty[name], crowded[name], may_be_before=before, in_line=in_line)
        for name, (_, before) in kinds.items()
    ]


def _measured(kinds: dict[str, tuple[Probe, int]], probes: int) -> dict[str, list[Fate]]:
    """The kinds take turns."""
    found: dict[str, list[Fate]] = {name: [] for name in kinds}
    for _ in range(probes):
        for name, (probe, _) in kinds.items():
            found[name].append(probe())
    return found


def _row(
    name: str, empty: Sequence[Fate], crowded: Sequence[Fate], *, may_be_before: int, in_line: int
) -> Row:
    pairs = Pairs(tuple(fate.seconds for fate in crowded), tuple(fate.seconds for fate in empty))
    more = max(pairs.ours) - statistics.median(pairs.rival)
    before = max(fate.before for fate in crowded)
    met = more <= _MORE_SECONDS and 0 <= before <= may_be_before
    row = pairs.row(
        name,
        Target(),
        unit="s",
        note=f"{in_line:,} in line; longest {more * 1000:.0f} ms more; {before} admitted before",
        details={"empty": list(pairs.rival), "crowded": list(pairs.ours)},
    )
    place = "next" if may_be_before == 0 else "within two"
    return replace(row, target=f"<= {_MORE_SECONDS:g} s more, {place}", met=met)


def _token(town: Town, owner: str) -> str:
    """A service token of another owner."""
    token = new_service_token()

    async def store() -> None:
        async with open_database(town.stack.found.database_url, service="bench") as database:
            await ServiceTokens(database).create(owner, hash_service_token(token))

    asyncio.run(store())
    return token
