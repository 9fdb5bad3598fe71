"""AMC without delay: every create is answered at once with a new id, all else with `{}`.

As small as an HTTP server can be, so that it costs both sides of a pair the same and little:
`python -m benchmarks.stub_amc <port>`.
"""

import asyncio
import itertools
import sys
from typing import Final, cast

import uvloop
from typing_extensions import override

_END: Final = b"\r\n\r\n"
_RESULT: Final = b"campaign,impressions\n" + b"".join(b"c%d,%d\n" % (n, n) for n in range(20))
_ids = itertools.count(1)


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(_END)) >= 0:
            head = self._received[:end]
            whole = end + len(_END) + _length(head)
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        asked = head.partition(b"\r\n")[0]
        body = b"{}"
        if b"/result.csv" in asked:
            body = _RESULT
        elif asked.startswith(b"POST") and b"/workflowExecutions" in asked:
            body = b'{"workflowExecutionId":"stub-%d","status":"PENDING"}' % next(_ids)
        assert self._transport is not None
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
