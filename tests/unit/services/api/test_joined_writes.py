"""A head leaves with its body, and never later than the loop's next turn."""

import asyncio
from collections.abc import Iterable

import pytest
from typing_extensions import override

from services.api.joined_writes import JoinedWrites

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


class Wire(asyncio.Transport):
    """Remembers each piece that was sent, and that it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed_after: int | None = None

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    @override
    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.sent.append(b"".join(list_of_data))

    @override
    def close(self) -> None:
        self.closed_after = len(self.sent)


async def next_turn() -> None:
    turned = asyncio.Event()
    asyncio.get_running_loop().call_soon(turned.set)
    await turned.wait()


async def test_head_and_body_are_one_piece() -> None:
    wire = Wire()
    joined = JoinedWrites(wire)

    joined.write(HEAD)
    joined.write(b"body")
    await next_turn()

    assert wire.sent == [HEAD + b"body"]


@pytest.mark.parametrize("data", [HEAD, b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_head_alone_leaves_at_the_next_turn(data: bytes) -> None:
    wire = Wire()
    joined = JoinedWrites(wire)

    joined.write(data)
    assert wire.sent == []
    await next_turn()

    assert wire.sent == [data]


async def test_what_is_no_head_leaves_at_once() -> None:
    wire = Wire()
    joined = JoinedWrites(wire)

    joined.write(b"data: 1\n\n")
    joined.write(b"")

    assert wire.sent == [b"data: 1\n\n", b""]


async def test_answers_keep_their_order() -> None:
    wire = Wire()
    joined = JoinedWrites(wire)

    for piece in (HEAD, b"a", b"b", HEAD, b"", HEAD, HEAD):
        joined.write(piece)
    joined.writelines([b"c", b"d"])

    assert b"".join(wire.sent) == HEAD + b"ab" + HEAD + HEAD + HEAD + b"cd"


async def test_a_head_leaves_before_the_connection_is_closed() -> None:
    wire = Wire()
    joined = JoinedWrites(wire)

    joined.write(HEAD)
    joined.close()
    await next_turn()

    assert (wire.sent, wire.closed_after) == ([HEAD], 1)
