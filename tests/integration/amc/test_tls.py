"""TLS: certificates are checked, and closing leaves nothing behind."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import httpx
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.http.client import amc_client
from tests.integration.amc.rig import QUICK
from tests.integration.amc.wire import EXECUTION_BODY, Reader, Writer, answer

Runner = Callable[[Awaitable[None]], None]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "amcflow test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


async def get_twice(certificate: Path, trust: ssl.SSLContext | None) -> int:
    connections = 0

    async def accept(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        while await reader.readline():
            if (await reader.readuntil(b"\r\n\r\n")).endswith(b"\r\n\r\n"):
                writer.write(answer(EXECUTION_BODY))
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        async with amc_client(QUICK, tls=trust) as http:
            await http.get(url)
            await http.get(url)
    finally:
        server.close()
    return connections


@pytest.mark.parametrize("loop", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_trusted_server_is_spoken_to_over_one_connection(certificate: Path, loop: Runner) -> None:
    async def scenario() -> None:
        trust = ssl.create_default_context(cafile=str(certificate))
        assert await get_twice(certificate, trust) == 1

    loop(scenario())


@pytest.mark.parametrize("loop", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_an_unknown_certificate_is_refused_before_anything_is_sent(
    certificate: Path, loop: Runner
) -> None:
    async def scenario() -> None:
        with pytest.raises(httpx.ConnectError):
            await get_twice(certificate, None)

    loop(scenario())
