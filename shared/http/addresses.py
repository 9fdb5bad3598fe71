"""Names are looked up once and only public addresses are connected to.

aiohttp connects to exactly the addresses a resolver returns and keeps the name for TLS and the
Host header, so checking here leaves no gap for a name that answers differently the second time
(OWASP's SSRF cheat sheet calls it DNS rebinding). Addresses written into a URL do not pass
through a resolver; the link policy refuses those.
"""

import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from typing_extensions import override


class AddressRefusedError(OSError):
    """The name leads to an address inside our own network."""


class PublicResolver(AbstractResolver):
    """Refuses a name as a whole if any of its addresses is not public."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if self._inner is None:
            self._inner = ThreadedResolver()
        found = await self._inner.resolve(host, port, family)
        for address in found:
            if not is_public(address["host"]):
                raise AddressRefusedError(f"{host} leads to {address['host']}, which is not public")
        return found

    @override
    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()


def is_public(address: str) -> bool:
    """False for private, loopback, link-local, carrier-grade, multicast and reserved addresses,
    for IPv6 forms that carry such an IPv4 address, and for what is no address at all."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or _nat64(parsed)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
