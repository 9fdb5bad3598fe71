"""Sends an answer's head and its body in one piece, where both are there at once.

uvicorn writes them one after the other, and the loop sends each at once: two calls of the kernel,
two packets, and a client that wakes up twice.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_BEGINS: Final = b"HTTP/"
_HEAD_ENDS: Final = b"\r\n\r\n"


class JoinedWrites(asyncio.Transport):
    """A transport that keeps what looks like a head until the next write, or the loop's next turn.

    It does not matter if something else looks like one: no byte is kept longer than that.
    """

    def __init__(self, inner: asyncio.Transport) -> None:
        super().__init__()
        self._inner = inner
        self._loop = asyncio.get_running_loop()
        self._head: bytes | None = None

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._inner.writelines((head, data))
        elif data[:5] == _HEAD_BEGINS and data[-4:] == _HEAD_ENDS:
            self._head = bytes(data)
            self._loop.call_soon(self._send_head)
        else:
            self._inner.write(data)

    @override
    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self._send_head()
        self._inner.writelines(list_of_data)

    def _send_head(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._inner.write(head)

    @override
    def close(self) -> None:
        self._send_head()
        self._inner.close()

    @override
    def abort(self) -> None:
        self._head = None
        self._inner.abort()

    @override
    def is_closing(self) -> bool:
        return self._inner.is_closing()

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._inner.get_extra_info(name, default)

    @override
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._inner.set_protocol(protocol)

    @override
    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._inner.get_protocol()

    @override
    def is_reading(self) -> bool:
        return self._inner.is_reading()

    @override
    def pause_reading(self) -> None:
        self._inner.pause_reading()

    @override
    def resume_reading(self) -> None:
        self._inner.resume_reading()


class JoiningProtocol(HttpToolsProtocol):
    """uvicorn's, over such a transport."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(JoinedWrites(transport))
