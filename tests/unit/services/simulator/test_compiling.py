"""What is compiled beside the loop."""

import asyncio
from threading import Event

from services.simulator.bodies import WorkflowBody
from services.simulator.compiling import _LONG, _LONG_CHARACTERS, compile_aside

SQL = "SELECT campaign, SUM(clicks) AS n FROM dsp_clicks GROUP BY campaign"


def body(sql: str) -> WorkflowBody:
    return WorkflowBody.model_validate({"workflowId": "w", "sqlQuery": sql})


async def test_a_long_text_does_not_keep_a_short_one_waiting():
    let_go = Event()
    _LONG.submit(let_go.wait)
    padded = SQL + " " * _LONG_CHARACTERS
    try:
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            long = group.create_task(compile_aside(body(padded), sandbox=False, runnable=False))
            await compile_aside(body(SQL), sandbox=False, runnable=False)
            assert not long.done()
            let_go.set()
    finally:
        let_go.set()
