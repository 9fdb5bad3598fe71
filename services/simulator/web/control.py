"""What is ours and not Amazon's: the knobs under /_simulator/."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.bodies import read_object
from services.simulator.clock import iso_millis
from services.simulator.refusal import Refusal
from services.simulator.simulator import Simulator
from services.simulator.switches import Switches
from services.simulator.web.answers import answer
from services.simulator.web.misuse import bad_request
from services.simulator.world import WorldDocument


class _Registration(BaseModel):
    model_config = ConfigDict(extra="forbid")

    refresh_token: str = Field(pattern=r"^Atzr\|sim-[\x21-\x7e]{1,200}$")
    account_ids: frozenset[str] | None = None


class _TokenChoice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    refresh_token: str | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """Switches, world, tokens, clock."""

    simulator: Simulator

    def routes(self) -> list[Route]:
        return [
            Route("/_simulator/health", self.health, methods=["GET"]),
            Route("/_simulator/clock", self.clock, methods=["GET"]),
            Route("/_simulator/world", self.show_world, methods=["GET"]),
            Route("/_simulator/world", self.add_to_world, methods=["POST"]),
            Route("/_simulator/switches", self.show_switches, methods=["GET"]),
            Route("/_simulator/switches", self.change_switches, methods=["PUT"]),
            Route("/_simulator/refresh-tokens", self.register_token, methods=["POST"]),
            Route("/_simulator/authorization-codes", self.issue_code, methods=["POST"]),
            Route("/_simulator/revoke", self.revoke, methods=["POST"]),
            Route("/_simulator/expire-tokens", self.expire_tokens, methods=["POST"]),
        ]

    async def health(self, _request: Request) -> Response:
        return answer({"status": "ok"})

    async def clock(self, request: Request) -> Response:
        at = request.state.at
        scale = self.simulator.settings.time_scale
        return answer({"now": iso_millis(at), "epoch_seconds": at, "time_scale": scale})

    async def show_world(self, _request: Request) -> Response:
        world = self.simulator.world
        document = WorldDocument(
            accounts=[account.entry for account in world.accounts.values()],
            instances=[instance.entry for instance in world.instances.values()],
        )
        return answer(document.model_dump(by_alias=True, exclude_none=True))

    async def add_to_world(self, request: Request) -> Response:
        """Adds accounts and instances, or changes the limits of known ones."""
        try:
            document = WorldDocument.model_validate(read_object(await request.body()))
            self.simulator.world.add(document, at=request.state.at)
        except ValueError as problem:
            raise bad_request(problem) from None
        self.simulator.engine.refill(self.simulator.world.instances.values())
        return await self.show_world(request)

    async def show_switches(self, _request: Request) -> Response:
        return answer(self.simulator.switches.model_dump())

    async def change_switches(self, request: Request) -> Response:
        """Changes the switches that the body names; the others stay."""
        present = self.simulator.switches.model_dump()
        try:
            changed = Switches.model_validate({**present, **read_object(await request.body())})
        except ValidationError as problem:
            raise bad_request(problem) from None
        self.simulator.switches = changed
        self.simulator.engine.refill(self.simulator.world.instances.values())
        return answer(changed.model_dump())

    async def register_token(self, request: Request) -> Response:
        """Makes a refresh token good, for some accounts or for all."""
        try:
            wanted = _Registration.model_validate(read_object(await request.body()))
        except ValidationError as problem:
            raise bad_request(problem) from None
        self.simulator.tokens.register(wanted.refresh_token, wanted.account_ids)
        return answer({"refresh_token": wanted.refresh_token})

    async def issue_code(self, _request: Request) -> Response:
        return answer({"code": self.simulator.tokens.issue_code()})

    async def revoke(self, request: Request) -> Response:
        """The user takes consent back for one refresh token."""
        tokens = self.simulator.tokens
        try:
            wanted = _TokenChoice.model_validate(read_object(await request.body()))
        except ValidationError as problem:
            raise bad_request(problem) from None
        grant = tokens.grant(wanted.refresh_token or "")
        if grant is None:
            raise Refusal(404, "This refresh token is not known, or revoked already.")
        tokens.revoke(grant)
        return answer({"revoked": True})

    async def expire_tokens(self, _request: Request) -> Response:
        """Every access token is dead from now on; the grants live."""
        self.simulator.tokens.expire_all()
        return answer({"expired": True})
