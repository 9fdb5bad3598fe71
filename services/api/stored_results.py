"""Results as the API shows them, from the result store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from services.api.ports import DownloadFormat
from shared.db.pool import Database
from shared.db.results.export import export_csv, export_json_lines
from shared.db.results.pages import Page, read_page
from shared.db.results.parquet import export_parquet
from shared.db.results.stored import find_result


@dataclass(frozen=True, slots=True)
class StoredResults:
    """Reads and exports what the downloader stored."""

    database: Database

    async def page(self, execution_id: UUID, *, after: int, limit: int) -> Page:
        """NotFound if there is none, or its rows were removed."""
        result = await find_result(self.database, execution_id)
        return await read_page(self.database, result, after=after, limit=limit)

    async def download(self, execution_id: UUID, kind: DownloadFormat) -> AsyncIterator[bytes]:
        """The file in pieces; NotFound is raised before the first one."""
        result = await find_result(self.database, execution_id)
        match kind:
            case DownloadFormat.CSV:
                return export_csv(self.database, result)
            case DownloadFormat.JSONL:
                return export_json_lines(self.database, result)
            case DownloadFormat.PARQUET:
                return export_parquet(self.database, result)
