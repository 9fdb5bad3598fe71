"""Memory does not grow with the size of a result."""

import json
import subprocess
import sys

SCRIPT = """
import asyncio, json, resource, sys
from contextlib import asynccontextmanager
from services.downloader.spool import DiskSpool
from shared.amc.results import ResultPart
from shared.db.pool import open_database
from shared.db.results.export import export_csv, export_json_lines
from shared.db.results.load import ResultLoader
from shared.db.results.order import LoadOrder
from shared.db.results.stored import find_result
from tests.integration.results.world import World

LINE = b"campaign number one,12345678,2026-01-31," + b"x" * 1000 + b"\\n"
TOTAL = 200 * 1024 * 1024

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def chunks():
    yield b"name,clicks,day,note\\n"
    block = LINE * 64
    for _ in range(TOTAL // len(block)):
        yield block

@asynccontextmanager
async def source():
    yield ResultPart(chunks(), None)

async def main():
    async with open_database(sys.argv[1], service="memory") as database:
        world = World(database)
        await world.begin()
        claim = await world.claim(await world.workflow())
        base = peak()
        async with DiskSpool(reserve_bytes=0).session() as shelf:
            parts = await shelf.fill({"a": source})
            loaded = await ResultLoader(database).load(LoadOrder(claim, parts))
        result = await find_result(database, loaded.execution_id)
        sent = 0
        async for data in export_csv(database, result):
            sent += len(data)
        print(json.dumps({"growth": peak() - base, "rows": loaded.row_count, "sent": sent}))

asyncio.run(main())
"""
MIB = 1024 * 1024


def test_200_mib_take_less_than_60(database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, database_url], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["growth"] < 60
    assert seen["sent"] > 190 * MIB
