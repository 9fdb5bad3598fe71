"""The intake's look-ups and its commit, each done for many requests at once.

A request is answered after the commit that holds it, as it would be alone; only that the commit
holds its neighbours too. Nothing is cached: a look-up begins after its request has come.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from uuid import UUID

from shared.db.acceptance import NewExecution, NewRequest, RememberedRequest
from shared.db.instances import InstanceRef
from shared.db.workflows import Definition
from shared.runtime.gathering import Gathering

_LARGE: Final = 100
"""A request with more executions takes longer than others should wait: it goes by itself."""


class WorkflowBook(Protocol):
    """What workflows say now."""

    async def definitions(self, workflow_ids: Collection[UUID]) -> Mapping[UUID, Definition]: ...


class InstanceBook(Protocol):
    """Which instances there are."""

    async def references(self, amc_instance_ids: Collection[str]) -> Mapping[str, InstanceRef]: ...


class Store(Protocol):
    """Where accepted executions are kept."""

    async def accept_all(self, requests: Sequence[NewRequest]) -> None: ...


@dataclass(slots=True)
class GatheredIntake:
    """Workflows, instances and the store as `shared.intake` wants them."""

    workflows: WorkflowBook
    instances: InstanceBook
    store: Store
    _definitions: Gathering[Collection[UUID], Mapping[UUID, Definition]] = field(init=False)
    _references: Gathering[Collection[str], Mapping[str, InstanceRef]] = field(init=False)
    _requests: Gathering[NewRequest, None] = field(init=False)

    def __post_init__(self) -> None:
        self._definitions = Gathering(self._define)
        self._references = Gathering(self._refer)
        self._requests = Gathering(self._accept)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        async with asyncio.TaskGroup() as group:
            for each in (self._definitions, self._references, self._requests):
                group.create_task(each.run(stop))

    async def definitions(self, workflow_ids: Collection[UUID]) -> Mapping[UUID, Definition]:
        """Of these and perhaps of others."""
        return await self._definitions.ask(workflow_ids)

    async def references(self, amc_instance_ids: Collection[str]) -> Mapping[str, InstanceRef]:
        """Of these and perhaps of others."""
        return await self._references.ask(amc_instance_ids)

    async def accept(
        self,
        executions: Sequence[NewExecution],
        *,
        owner: str,
        request_id: str,
        remember: RememberedRequest | None = None,
    ) -> None:
        """Store all of them, or none. StaleTransition if the idempotency key is taken."""
        request = NewRequest(executions, owner, request_id, remember)
        if len(executions) > _LARGE:
            await self.store.accept_all([request])
        else:
            await self._requests.ask(request)

    async def _define(
        self, asked: Sequence[Collection[UUID]]
    ) -> Sequence[Mapping[UUID, Definition]]:
        found = await self.workflows.definitions({each for ids in asked for each in ids})
        return [found] * len(asked)

    async def _refer(self, asked: Sequence[Collection[str]]) -> Sequence[Mapping[str, InstanceRef]]:
        found = await self.instances.references({each for ids in asked for each in ids})
        return [found] * len(asked)

    async def _accept(self, asked: Sequence[NewRequest]) -> Sequence[None]:
        await self.store.accept_all(asked)
        return [None] * len(asked)
