"""The stop point between the bytes of a create and its answer: AMC has them, nobody has read it."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL

import pytest

from deploy.local.paths import PROJECT
from shared.observability.stop_points import StopPoint
from tests.integration.amc.wire import EXECUTION_BODY, Reader, Wire, Writer, answer, serving
from tests.stop_points import StopPoints


async def answer_at_once(wire: Wire, reader: Reader, writer: Writer) -> None:
    await wire.read_request(reader)
    writer.write(answer(EXECUTION_BODY))
    await writer.drain()


async def answer_never(wire: Wire, reader: Reader, writer: Writer) -> None:
    await wire.read_request(reader)
    await asyncio.Event().wait()


@pytest.mark.parametrize("server", [answer_at_once, answer_never])
async def test_a_process_that_dies_there_has_sent_the_whole_create(
    points: StopPoints, server: object
) -> None:
    points.arm(StopPoint.SUBMIT_SENT)

    async with serving(server) as wire:  # type: ignore[arg-type]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.faults.creator",
            str(points.folder),
            wire.base_url,
            cwd=PROJECT,
            stderr=DEVNULL,
        )
        assert await process.wait() == -signal.SIGKILL
        async with asyncio.timeout(4):
            await wire.got_request.wait()

    assert points.struck() == [(StopPoint.SUBMIT_SENT, process.pid)]
    (request,) = wire.requests
    assert json.loads(request.partition(b"\r\n\r\n")[2])["workflowId"] == "wf"
