"""Which addresses count as public."""

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from shared.http.addresses import AddressRefusedError, PublicResolver, is_public


@pytest.mark.parametrize("address", ["52.216.1.1", "2600:1f18::1", "64:ff9b::34d8:101"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "fd00:ec2::254",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "localhost",
        "",
    ],
)
def test_addresses_inside_a_network_are_not(address: str) -> None:
    assert not is_public(address)


class Answers(AbstractResolver):
    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self._addresses
        ]

    @override
    async def close(self) -> None:
        pass


async def test_a_name_with_public_addresses_only_is_connected_to() -> None:
    found = await PublicResolver(Answers("52.216.1.1", "52.216.1.2")).resolve("x.test", 443)

    assert [entry["host"] for entry in found] == ["52.216.1.1", "52.216.1.2"]


async def test_one_inner_address_refuses_the_name() -> None:
    with pytest.raises(AddressRefusedError, match="not public"):
        await PublicResolver(Answers("52.216.1.1", "127.0.0.1")).resolve("x.test", 443)
