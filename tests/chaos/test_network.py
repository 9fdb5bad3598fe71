"""The network between services and servers does to connections what it is told."""

import socket
import threading
from collections.abc import Iterator

import pytest

from deploy.local.owned import wait_until
from deploy.local.ports import free_ports
from tests.chaos.network import Network, Proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says everything again."""
    server = socket.create_server(("127.0.0.1", 0))

    def repeat(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(1000):
                connection.sendall(data)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=repeat, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    network = Network()
    yield network.proxy("amazon", free_ports(1)[0], ("127.0.0.1", echo))
    network.close()


def connect(proxy: Proxy) -> socket.socket:
    port = proxy.network.ports[proxy.name]
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def says_again(connection: socket.socket) -> bool:
    connection.sendall(b"anna")
    return connection.recv(100) == b"anna"


def is_cut(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


def test_what_is_cut_is_counted_and_new_connections_are_taken(proxy: Proxy) -> None:
    with connect(proxy) as first, connect(proxy) as second:
        assert says_again(first)
        proxy.cut_all()
        assert is_cut(first)
        with connect(proxy) as third:
            assert says_again(third)
        assert proxy.cut >= 1
        assert is_cut(second)


def test_what_is_held_arrives_late(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert says_again(connection)
        proxy.stall()
        connection.sendall(b"ben")
        assert wait_until(lambda: proxy.held == 1, seconds=5)
        proxy.flow(release=True)
        assert connection.recv(100) == b"ben"


def test_who_refuses_is_heard_again_once_all_is_healed(proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionError):
        connect(proxy)

    proxy.network.heal()
    with connect(proxy) as connection:
        assert says_again(connection)


def test_a_connection_is_cut_after_so_many_bytes(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert says_again(connection)
        proxy.cut_after(2)
        connection.sendall(b"clara")
        assert is_cut(connection)


def test_an_order_that_cannot_be_carried_out_says_so(proxy: Proxy) -> None:
    with pytest.raises(RuntimeError, match="new nobody"):
        proxy.network.proxy("nobody", -1, ("127.0.0.1", 1))
