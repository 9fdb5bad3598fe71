"""The result store: pre-signed links and the files behind them, with S3's answers."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from services.simulator.clock import iso_seconds
from services.simulator.execution import Execution
from services.simulator.results.keys import METADATA, folder_of, part_name
from services.simulator.results.presigned import BUCKET, LinkState
from services.simulator.simulator import Simulator
from services.simulator.web.answers import s3_error

STORE = "/_simulator/s3/"


class Links(NamedTuple):
    """Fresh URLs of one result."""

    files: list[str]
    metadata: list[str]


def result_links(simulator: Simulator, execution: Execution, base: str, now: float) -> Links:
    """Links good for the lifetime of the settings, from `now`."""
    folder = folder_of(execution)
    count = len(simulator.results.parts(execution))

    def link(name: str) -> str:
        key = folder + name
        return f"{base}{STORE}{BUCKET}/{key}?{simulator.signer.query(key, now)}"

    return Links([link(part_name(n)) for n in range(count)], [link(METADATA)])


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """GET of one object by its pre-signed link."""

    simulator: Simulator

    def routes(self) -> list[Route]:
        return [Route(STORE + "{bucket}/{key:path}", self.get_object, methods=["GET"])]

    async def get_object(self, request: Request) -> Response:
        """403 XML for a link that expired or was altered, 400 for a second form of login."""
        refused = self._refused(request)
        if refused is not None:
            return refused
        key = str(request.path_params["key"])
        _, execution_id, name = key.rsplit("/", 2)
        execution = self.simulator.engine.find(execution_id)
        if execution is None or not execution.has_result:
            return _error(request, 404, "NoSuchKey", "The specified key does not exist.")
        headers = {"x-amz-request-id": str(request.state.request_id), "etag": f'"{execution.id}"'}
        if name == METADATA:
            content = self.simulator.results.metadata(execution)
            return Response(content, 200, headers, media_type="application/json")
        await self.simulator.results.ready(execution)
        return self._part(execution, name, headers)

    def _part(self, execution: Execution, name: str, headers: dict[str, str]) -> Response:
        number = int(name.removeprefix("part-").removesuffix(".csv"))
        start, stop = self.simulator.results.parts(execution)[number]
        table = self.simulator.results.table(execution)
        length = len(table.header) + table.size(start, stop)
        return StreamingResponse(
            _stream(table.header, table.chunks(start, stop)),
            headers={**headers, "content-length": str(length), "content-type": "text/csv"},
        )

    def _refused(self, request: Request) -> Response | None:
        key = str(request.path_params["key"])
        if "authorization" in request.headers:
            text = "Only one auth mechanism allowed"
            return _error(request, 400, "InvalidArgument", text)
        now = request.state.at
        match self.simulator.signer.check(key, request.query_params, now):
            case LinkState.FORGED:
                text = "The request signature we calculated does not match the signature provided."
                return _error(request, 403, "SignatureDoesNotMatch", text)
            case LinkState.EXPIRED:
                more = {
                    "X-Amz-Expires": request.query_params["X-Amz-Expires"],
                    "ServerTime": iso_seconds(now),
                }
                return _error(request, 403, "AccessDenied", "Request has expired", **more)
            case LinkState.VALID:
                return None


def _error(request: Request, status: int, code: str, message: str, **more: str) -> Response:
    return s3_error(status, code, message, more=more, request_id=str(request.state.request_id))


async def _stream(header: bytes, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Lets other requests in between the chunks: making them is work for the processor."""
    yield header
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(0)
