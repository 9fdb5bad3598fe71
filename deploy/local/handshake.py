"""Asks an AMQP broker who it is, without credentials: its first frame carries its version."""

import re
import socket

_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = 1


def broker_version(host: str, port: int, *, seconds: float = 5.0) -> str | None:
    """The version in Connection.Start, or None when no broker answers there."""
    try:
        return version_in(_first_frame(host, port, seconds))
    except OSError:
        return None


def version_in(frame: bytes) -> str | None:
    if not frame or frame[0] != _METHOD_FRAME:
        return None
    # A long string in the server properties: name, 'S', four bytes of length, the value.
    found = re.search(rb"\x07versionS.{4}(\d+(?:\.\d+)*)", frame, re.DOTALL)
    return found.group(1).decode() if found else "of unknown version"


def _first_frame(host: str, port: int, seconds: float) -> bytes:
    with socket.create_connection((host, port), seconds) as connection:
        connection.settimeout(seconds)
        connection.sendall(_PROTOCOL_HEADER)
        head = _read(connection, 7)
        return head + _read(connection, int.from_bytes(head[3:7], "big"))


def _read(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        part = connection.recv(count - len(got))
        if not part:
            raise ConnectionError("the broker hung up")
        got += part
    return got
