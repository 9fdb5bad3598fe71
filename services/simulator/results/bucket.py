"""Result files in a real bucket of any S3-compatible store, with real pre-signed links.

A result is written when its links are asked for the first time, and once.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from services.simulator.execution import Execution
from services.simulator.refusal import Refusal
from services.simulator.results.build import Results
from services.simulator.results.keys import METADATA, folder_of, part_name
from services.simulator.settings import SimulatorSettings

_CHUNK_BYTES = 8 * 2**20


def open_bucket(settings: SimulatorSettings) -> S3Store:
    """The bucket that the settings name; nothing is sent yet."""
    return S3Store(
        settings.s3_bucket,
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id.get_secret_value(),
        secret_access_key=settings.s3_secret_access_key.get_secret_value(),
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=3)},
    )


@dataclass(slots=True)
class Bucket:
    """Writes results and signs their links."""

    store: S3Store
    results: Results
    lifetime: timedelta
    _written: dict[str, asyncio.Lock] = field(default_factory=dict)
    """By execution: held while its files are being written."""
    _done: set[str] = field(default_factory=set)

    async def links(self, execution: Execution) -> tuple[list[str], list[str]]:
        """Links to the parts and to the metadata; Refusal 500 if the store cannot be written."""
        await self.results.ready(execution)
        folder = folder_of(execution)
        names = [part_name(n) for n in range(len(self.results.parts(execution)))]
        keys = [folder + name for name in (*names, METADATA)]
        try:
            await self._write_once(execution, keys)
            signed = await obstore.sign_async(self.store, "GET", keys, self.lifetime)
        except BaseError:
            raise Refusal(500, "The result store is not available.") from None
        return list(signed[:-1]), list(signed[-1:])

    async def _write_once(self, execution: Execution, keys: list[str]) -> None:
        lock = self._written.setdefault(execution.id, asyncio.Lock())
        async with lock:
            if execution.id not in self._done:
                await self._write(execution, keys)
                self._done.add(execution.id)

    async def _write(self, execution: Execution, keys: list[str]) -> None:
        table, parts = self.results.table(execution), self.results.parts(execution)
        for key, (start, stop) in zip(keys, parts, strict=False):
            content = _stream(table.header, table.chunks(start, stop))
            kind = {"Content-Type": "text/csv"}
            await obstore.put_async(
                self.store, key, content, attributes=kind, chunk_size=_CHUNK_BYTES
            )
        await obstore.put_async(self.store, keys[-1], self.results.metadata(execution))


async def _stream(header: bytes, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Lets other requests in between the chunks: making them is work for the processor."""
    yield header
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(0)
