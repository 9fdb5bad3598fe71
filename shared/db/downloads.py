"""The downloader's moves, but for the last: `completed` is part of the load's own transaction."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from shared.db.pool import Database
from shared.db.queries import load
from shared.db.rows import destination_of
from shared.domain.claims import DownloadClaim
from shared.domain.errors import AmcflowError, StaleTransition
from shared.domain.ids import AmcExecutionId, ExecutionId

_SQL = load("downloads")


@dataclass(frozen=True, slots=True)
class Downloads:
    """The repository of executions in `downloading`."""

    database: Database
    lease: timedelta = timedelta(seconds=60)

    async def claim_for_download(self, execution_id: UUID) -> DownloadClaim:
        """Hold it for a lease; StaleTransition if it is not to be downloaded by us now."""
        row = await self.database.fetchrow(
            _SQL["claim_for_download"], execution_id, self.database.relay_id, self.lease
        )
        if row is None:
            raise StaleTransition(f"Execution {execution_id} is not to be downloaded now.")
        return DownloadClaim(
            execution_id=ExecutionId(row["id"]),
            no=row["no"],
            workflow_id=row["workflow_id"],
            workflow_no=row["workflow_no"],
            workflow_name=row["workflow_name"],
            fence=row["fence"],
            postponed_count=row["postponed_count"],
            amc_execution_id=AmcExecutionId(row["amc_execution_id"]),
            output_location=row["output_location"],
            destination=destination_of(row),
            output_columns=_columns(row["output_columns"]),
        )

    async def renew(self, claim: DownloadClaim) -> None:
        """Hold it for one more lease; StaleTransition if it was lost, so stop."""
        self._expect(
            await self.database.fetchval(
                _SQL["renew"], claim.execution_id, claim.fence, self.lease
            ),
            claim,
        )

    async def give_back(self, claim: DownloadClaim) -> None:
        """Stop working on it; the command goes out again. Losing it meanwhile is no error."""
        await self.database.execute(_SQL["give_back"], claim.execution_id, claim.fence)

    async def mark_failed(self, claim: DownloadClaim, error: AmcflowError) -> None:
        """There is no result to be had."""
        self._expect(
            await self.database.fetchval(
                _SQL["fail"],
                claim.execution_id,
                claim.fence,
                error.code,
                error.message,
                error.hint,
            ),
            claim,
        )

    async def postpone(self, claim: DownloadClaim, *, wait: timedelta, reason: str) -> None:
        """A timer brings the command back after `wait`."""
        self._expect(
            await self.database.fetchval(
                _SQL["postpone"], claim.execution_id, claim.fence, wait, reason
            ),
            claim,
        )

    def _expect(self, done: object, claim: DownloadClaim) -> None:
        if done is None:
            raise StaleTransition(f"Execution {claim.execution_id} is ours no more.")


def _columns(stored: list[list[str | None]] | None) -> tuple[tuple[str, str | None], ...] | None:
    if stored is None:
        return None
    return tuple((str(name), data_type) for name, data_type in stored)
