"""The data source operations of the reporting API, from the catalogue."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.catalogue import DataSource, data_sources
from services.simulator.refusal import Refusal
from services.simulator.web.answers import DATA_SOURCES, answer
from services.simulator.web.door import Door
from services.simulator.web.paging import next_token, page_limit, page_token

_BASE = "/amc/reporting/{instance_id}/dataSources"


@dataclass(frozen=True, slots=True)
class DataSources:
    """Every instance has every documented table."""

    door: Door

    def routes(self) -> list[Route]:
        return [
            Route(_BASE, self.list_data_sources, methods=["GET"]),
            Route(_BASE + "/{data_source_id}", self.get_data_source, methods=["GET"]),
        ]

    async def list_data_sources(self, request: Request) -> Response:
        self.door.instance(request)
        limit, after = page_limit(request), page_token(request) or ""
        found = [source for name, source in data_sources().items() if name > after]
        more = {"nextToken": next_token(found[limit - 1].name)} if len(found) > limit else {}
        return answer({"dataSources": [_render(s) for s in found[:limit]], **more}, DATA_SOURCES)

    async def get_data_source(self, request: Request) -> Response:
        self.door.instance(request)
        name = str(request.path_params["data_source_id"])
        source = data_sources().get(name)
        if source is None:
            raise Refusal(404, f"Data source with ID {name} does not exist.")
        return answer(_render(source), DATA_SOURCES)


def _render(source: DataSource) -> dict[str, object]:
    columns = [
        {"columnType": c.column_type, "dataType": c.data_type, "name": c.name}
        for c in source.columns.values()
    ]
    return {
        "columns": columns,
        "dataSourceId": source.name,
        "owner": "AMAZON",
        "provider": "AMAZON",
        "tags": [],
    }
