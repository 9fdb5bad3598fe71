"""Free loopback ports, taken below the range the kernel gives to outgoing connections."""

import random
import socket

_RANGE = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Distinct ports nobody listens on now; another process may still take one before us."""
    found: list[int] = []
    for port in random.sample(_RANGE, len(_RANGE)):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free TCP port between 20000 and 32000 on 127.0.0.1")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
