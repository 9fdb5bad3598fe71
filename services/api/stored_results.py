"""Results as the API shows them, from the result store."""

from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from services.api.ports import DownloadFormat
from shared.db.pool import Database
from shared.db.results.export import export_csv, export_json_lines
from shared.db.results.page_json import JsonPage, read_json_page
from shared.db.results.parquet import export_parquet
from shared.db.results.stored import StoredResult, find_result
from shared.domain.errors import NotFound

_MOST_REMEMBERED: Final = 256


@dataclass(slots=True)
class StoredResults:
    """Reads and exports what the downloader stored.

    Where a result stands never changes until it is removed, so who turns its pages has it looked
    up once. That it is still there is what its rows say, each time.
    """

    database: Database
    _found: OrderedDict[UUID, StoredResult] = field(default_factory=OrderedDict)

    async def page(self, execution_id: UUID, *, after: int, limit: int) -> JsonPage:
        """NotFound if there is none, or its rows were removed."""
        result = self._found.get(execution_id)
        if result is None or after >= result.row_count:
            # A page without rows would not show that the others are gone.
            result = await self._find(execution_id)
        try:
            return await read_json_page(self.database, result, after=after, limit=limit)
        except NotFound:
            self._found.pop(execution_id, None)
            raise

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

    async def _find(self, execution_id: UUID) -> StoredResult:
        result = await find_result(self.database, execution_id)
        self._found[execution_id] = result
        if len(self._found) > _MOST_REMEMBERED:
            self._found.popitem(last=False)
        return result
