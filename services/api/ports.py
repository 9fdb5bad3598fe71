"""What the API asks of its collaborators; `shared` and the tests' fakes satisfy it by shape."""

from collections.abc import AsyncIterator, Collection
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from shared.db.results.page_json import JsonPage
from shared.domain.states import ExecutionState
from shared.security.tokens import Sealed, TokenContext


class Seal(Protocol):
    """Locks a token away for token_refresher; cannot open it again."""

    def seal(self, context: TokenContext, token: str) -> Sealed: ...


class Control(Protocol):
    """Moves that people make."""

    async def request_cancel(self, execution_id: UUID, *, by: str) -> ExecutionState: ...
    async def pause_instance(self, instance: int, *, by: str, reason: str) -> None: ...
    async def resume_instance(self, instance: int) -> None: ...
    async def change_instance_limits(
        self,
        instance: int,
        *,
        max_concurrent_executions: int | None = None,
        max_requests_per_second: int | None = None,
        daily_execution_quota: int | None = None,
        is_quota_given: bool = False,
    ) -> None: ...
    async def change_account_limit(self, account: int, max_concurrent_executions: int) -> None: ...
    async def admit(self, instances: Collection[int]) -> int: ...


class BrokerState(Protocol):
    """Whether messages can leave at the moment; the API accepts either way."""

    async def check(self) -> bool: ...


class RelayWake(Protocol):
    """Has the outbox looked at now instead of half a second later."""

    def __call__(self) -> None: ...


class DownloadFormat(StrEnum):
    """What a result can be downloaded as."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Results(Protocol):
    """Stored results of completed executions; NotFound once retention has removed one."""

    async def page(self, execution_id: UUID, *, after: int, limit: int) -> JsonPage: ...
    async def download(self, execution_id: UUID, kind: DownloadFormat) -> AsyncIterator[bytes]: ...
