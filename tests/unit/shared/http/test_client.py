"""How every client is built."""

import socket
from datetime import timedelta

import pytest

from shared.http.client import Timeouts, amc_client, login_client, result_client
from shared.http.connector import gated_connector

TIMEOUTS = Timeouts(
    connect=timedelta(seconds=1),
    read=timedelta(seconds=2),
    write=timedelta(seconds=3),
    pool=timedelta(seconds=4),
)


@pytest.mark.parametrize("build", [amc_client, login_client, result_client])
async def test_all_clients_have_four_timeouts_and_follow_nothing(build) -> None:
    options = {"public_addresses_only": True} if build is result_client else {}
    async with build(TIMEOUTS, **options) as http:
        assert http.timeout.as_dict() == {"connect": 1, "read": 2, "write": 3, "pool": 4}
        assert not http.follow_redirects
        assert not http.trust_env


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the platform has none")
async def test_a_broken_link_gives_up_its_bytes_after_the_user_timeout() -> None:
    connector = gated_connector(
        keepalive_expiry=timedelta(seconds=20),
        max_connections=1,
        tcp_user_timeout=timedelta(seconds=20),
    )
    address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))

    with connector._socket_factory(address) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
    await connector.close()
