"""The usual way to wait for AMC: each execution is asked for its status every 15 s until it ends.

`python -m benchmarks.polling_rival <task> <log>` keeps a number of executions in flight on each
instance until it is ended, and writes each one's id and the moment at which it was known to have
ended. The first question comes one interval after the creation. It keeps to AMC's limit of calls.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO, TypedDict

import aiohttp

_SHARE_OF_THE_LIMIT: Final = 0.94
_THROTTLED: Final = 429
_FINAL: Final = frozenset({"SUCCEEDED", "FAILED", "REJECTED", "CANCELLED"})


class _Task(TypedDict):
    url: str
    work: Mapping[str, tuple[int, dict[str, str]]]
    every: float
    limit: float


def write_task(
    path: Path,
    url: str,
    work: Mapping[str, tuple[int, dict[str, str]]],
    *,
    every: float,
    limit: float,
) -> None:
    """`work`: for each instance how many are in flight, and the headers of its calls; `limit` in
    calls a second for each."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(_Task(url=url, work=work, every=every, limit=limit)))


def read_known(log: Path) -> dict[str, float]:
    """When each execution was known to have ended, in seconds since the epoch."""
    lines = log.read_text().splitlines() if log.exists() else []
    return {name: float(at) for name, _, at in (line.partition(" ") for line in lines)}


@dataclass(slots=True)
class _Instance:
    """Calls to one instance, at the pace that AMC allows."""

    http: aiohttp.ClientSession
    url: str
    headers: dict[str, str]
    every: float
    step: float
    log: TextIO
    _free_at: float = field(default_factory=time.monotonic)

    async def keep_one(self) -> None:
        """One execution after the other, for ever."""
        while True:
            body = {"workflowId": "bench", "timeWindowType": "MOST_RECENT_WEEK"}
            made = await self._call("POST", self.url, body)
            name = str(made["workflowExecutionId"])
            asked = time.monotonic()
            status = ""
            while status not in _FINAL:
                asked += self.every
                await asyncio.sleep(max(0.0, asked - time.monotonic()))
                status = str((await self._call("GET", f"{self.url}/{name}"))["status"])
            self.log.write(f"{name} {time.time():.6f}\n")
            self.log.flush()

    async def _call(
        self, method: str, url: str, body: dict[str, str] | None = None
    ) -> dict[str, object]:
        while True:
            self._free_at = max(self._free_at + self.step, time.monotonic())
            await asyncio.sleep(self._free_at - time.monotonic())
            async with self.http.request(method, url, json=body, headers=self.headers) as answer:
                if answer.status != _THROTTLED:
                    answer.raise_for_status()
                    found: dict[str, object] = json.loads(await answer.read())
                    return found
            await asyncio.sleep(1)


async def _keep_all(told: _Task, out: TextIO) -> None:
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        step = 1 / (_SHARE_OF_THE_LIMIT * told["limit"])
        for instance, (in_flight, headers) in told["work"].items():
            url = f"{told['url']}/amc/reporting/{instance}/workflowExecutions"
            place = _Instance(http, url, headers, told["every"], step, out)
            for _ in range(in_flight):
                group.create_task(place.keep_one())


def _main(task: Path, log: Path) -> None:
    with log.open("a") as out:
        asyncio.run(_keep_all(json.loads(task.read_text()), out))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
