"""The data source operations of the reporting API, from the catalogue."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.catalogue import DataSource, data_sources
from services.simulator.refusal import Refusal
from services.simulator.simulator import Simulator
from services.simulator.web.answers import DATA_SOURCES, answer
from services.simulator.web.door import Door
from services.simulator.web.paging import next_token, page_limit, page_token

_BASE = "/amc/reporting/{instance_id}/dataSources"


@dataclass(frozen=True, slots=True)
class DataSources:
    """Every instance has every documented table."""

    simulator: Simulator
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
        more = (
            {"nextToken": next_token(request, found[limit - 1].name)} if len(found) > limit else {}
        )
        return answer(
            {"dataSources": [self._shown(s) for s in found[:limit]], **more}, DATA_SOURCES
        )

    async def get_data_source(self, request: Request) -> Response:
        self.door.instance(request)
        name = str(request.path_params["data_source_id"])
        source = data_sources().get(name)
        if source is None:
            raise Refusal(404, f"Data source with ID {name} does not exist.")
        shown = self._shown(source)
        wrapped = self.simulator.switches.data_source_shape == "wrapped"
        return answer({"dataSource": shown} if wrapped else shown, DATA_SOURCES)

    def _shown(self, source: DataSource) -> dict[str, object]:
        return _render(source, typed=self.simulator.switches.data_source_types)


def _render(source: DataSource, *, typed: bool) -> dict[str, object]:
    columns = [
        {
            "columnType": c.column_type,
            **({"dataType": c.data_type} if typed else {}),
            "name": c.name,
        }
        for c in source.columns.values()
    ]
    return {
        "columns": columns,
        "dataSourceId": source.name,
        "description": f"The table {source.name}.",
        "outputChannels": [{"channel": {"type": "DOWNLOAD"}, "outputAvailable": True}],
        "owner": "AMAZON",
        "provider": "AMAZON",
        "tags": [],
    }
