"""What acceptance is measured against: FastAPI and asyncpg, one plain INSERT for each request.

No login, no history, no place in line, nothing looked up: the least that makes a request durable.
`python -m benchmarks.intake_rival <port>` with DATABASE_URL in the environment.
"""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

import asyncpg
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

TABLE: Final = """
create table if not exists plain_executions (
  id uuid primary key, workflow_id text not null, instance_id text not null,
  priority smallint not null, tags jsonb not null,
  created_at timestamptz not null default clock_timestamp())
"""
_INSERT: Final = """
insert into plain_executions (id, workflow_id, instance_id, priority, tags)
values ($1, $2, $3, $4, $5)
"""


class _Asked(BaseModel):
    instance_id: str
    priority: int = 5
    tags: dict[str, str] = Field(default_factory=dict)


async def _encode_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=10, max_size=10, init=_encode_json
    ) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=_lifespan, openapi_url=None)


@app.get("/ready")
async def ready() -> None:
    """It answers."""


@app.post("/workflows/{workflow_id}/executions", status_code=202)
async def accept(workflow_id: str, asked: _Asked) -> dict[str, Any]:
    """One row, committed before the answer."""
    execution_id = uuid4()
    await app.state.pool.execute(
        _INSERT, execution_id, workflow_id, asked.instance_id, asked.priority, asked.tags
    )
    return {"id": str(execution_id), "status": "queued"}


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        http="httptools",
        loop="uvloop",
        access_log=False,
        log_level="warning",
    )
