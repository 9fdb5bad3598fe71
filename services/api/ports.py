"""What the API asks of its collaborators; `shared` and the tests' fakes satisfy it by shape."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

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
    """Whether messages leave at the moment; the API accepts either way."""

    @property
    def connected(self) -> bool: ...


class RelayWake(Protocol):
    """Has the outbox looked at now instead of half a second later."""

    def __call__(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column under the name it had in AMC's file."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Some rows of a result, in file order; `last_row` is the number of the last one."""

    columns: Sequence[ResultColumn]
    rows: Sequence[Sequence[object]]
    last_row: int
    has_more: bool


class DownloadFormat(StrEnum):
    """What a result can be downloaded as."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Results(Protocol):
    """Stored results of completed executions."""

    async def page(self, execution_id: UUID, *, after: int, limit: int) -> ResultPage: ...
    def export(self, execution_id: UUID, kind: DownloadFormat) -> AsyncIterator[bytes]: ...
