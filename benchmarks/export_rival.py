"""A table as Parquet the short way: all of it in memory, `python -m benchmarks.export_rival`.

An order on stdin: database, query, where to write. It says how long it took and by how much its
memory grew meanwhile.
"""

import asyncio
import io
import json
import sys
import time

import asyncpg
from pyarrow import csv, parquet

from benchmarks.read_memory import peak_mb, resident_mb


async def export(database_url: str, query: str, path: str) -> dict[str, float]:
    """COPY, one table, one file."""
    connection = await asyncpg.connect(database_url)
    try:
        base, started, data = resident_mb("self"), time.perf_counter(), io.BytesIO()
        await connection.copy_from_query(query, output=data, format="csv", header=True)
        data.seek(0)
        parquet.write_table(csv.read_csv(data), path, compression="zstd")
        return {"seconds": time.perf_counter() - started, "grown_mb": peak_mb("self") - base}
    finally:
        await connection.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(export(**json.load(sys.stdin)))))
