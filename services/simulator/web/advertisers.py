"""The advertisers of an instance, and the updates that change them."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.advertisers import (
    AdvertiserChange,
    AdvertiserUpdate,
    advertisers_at,
    is_refused,
    rendered,
)
from services.simulator.bodies import read_body
from services.simulator.refusal import Refusal
from services.simulator.simulator import Simulator
from services.simulator.web.answers import answer
from services.simulator.web.door import Door
from services.simulator.web.paging import next_token, page_limit, page_token
from services.simulator.world import Instance

_BASE = "/amc/instances/{instance_id}/advertisers"


@dataclass(frozen=True, slots=True)
class Advertisers:
    """GET advertisers, POST and GET updates."""

    simulator: Simulator
    door: Door

    def routes(self) -> list[Route]:
        updates = _BASE + "/updates"
        return [
            Route(_BASE, self.list_advertisers, methods=["GET"]),
            Route(updates, self.list_updates, methods=["GET"]),
            Route(updates, self.create_update, methods=["POST"]),
            Route(updates + "/{update_id}", self.get_update, methods=["GET"]),
        ]

    async def list_advertisers(self, request: Request) -> Response:
        """By id, of one `type` if asked for; the last page has nextToken null."""
        instance = self.door.instance(request)
        limit, after = page_limit(request), page_token(request) or ""
        kind = (request.query_params.get("type") or "").upper()
        present = advertisers_at(instance.first_advertisers, instance.updates, request.state.at)
        wanted = [advertiser for advertiser in present if kind in {"", advertiser.type}]
        found = [advertiser for advertiser in wanted if advertiser.id > after]
        more = next_token(request, found[limit - 1].id) if len(found) > limit else None
        page = list(rendered(found[:limit]))
        return answer({"advertisers": page, "nextToken": more, "totalCount": len(wanted)})

    async def create_update(self, request: Request) -> Response:
        instance = self.door.instance(request)
        change = read_body(AdvertiserChange, await request.body())
        at = request.state.at
        present = advertisers_at(instance.first_advertisers, instance.updates, at)
        number = len(instance.updates) + 1
        scale = self.simulator.settings.time_scale
        update = AdvertiserUpdate(number, change, at, scale, is_refused(change, present))
        instance.updates.append(update)
        return self._shown(update, at)

    async def list_updates(self, request: Request) -> Response:
        """Number and status of each, the newest first."""
        instance = self.door.instance(request)
        limit, before = page_limit(request), _number(page_token(request))
        found = [u for u in reversed(instance.updates) if before is None or u.number < before]
        shown = [
            {"status": self._status(u, request.state.at), "updateId": u.number}
            for u in found[:limit]
        ]
        more = next_token(request, str(found[limit - 1].number)) if len(found) > limit else None
        return answer({"advertiserUpdates": shown, "nextToken": more})

    async def get_update(self, request: Request) -> Response:
        return self._shown(self._named(self.door.instance(request), request), request.state.at)

    def _named(self, instance: Instance, request: Request) -> AdvertiserUpdate:
        text = str(request.path_params["update_id"])
        for update in instance.updates:
            if str(update.number) == text:
                return update
        raise Refusal(404, f"Advertiser update with ID {text} does not exist.")

    def _status(self, update: AdvertiserUpdate, now: float) -> str:
        """Amazon's schema has COMPLETED, and COMPLETE was captured."""
        status = update.status(now)
        done = self.simulator.switches.advertiser_update_done
        return done if status == "COMPLETED" else status

    def _shown(self, update: AdvertiserUpdate, now: float) -> Response:
        members = update.change.model_dump(by_alias=True, exclude_none=True)
        status = self._status(update, now)
        return answer(
            {"advertiserUpdate": {**members, "status": status, "updateId": update.number}}
        )


def _number(token: str | None) -> int | None:
    if token is not None and not (token.isascii() and token.isdigit()):
        raise Refusal(400, "Invalid nextToken.")
    return None if token is None else int(token[:18])
