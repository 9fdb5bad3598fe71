"""Faults and their profiles, under /_simulator/."""

import json
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.simulator.bodies import read_object
from services.simulator.faults import ActiveFault, FaultRule
from services.simulator.profiles import ProfileName
from services.simulator.simulator import Simulator
from services.simulator.web.answers import answer
from services.simulator.web.misuse import bad_request


class _Choice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    profile: ProfileName


class _Replay(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Failing:
    """GET, POST and DELETE faults, GET and PUT profile, POST replay."""

    simulator: Simulator

    def routes(self) -> list[Route]:
        return [
            Route("/_simulator/faults", self.show, methods=["GET"]),
            Route("/_simulator/faults", self.add, methods=["POST"]),
            Route("/_simulator/faults", self.clear, methods=["DELETE"]),
            Route("/_simulator/faults/replay", self.replay, methods=["POST"]),
            Route("/_simulator/profile", self.show_profile, methods=["GET"]),
            Route("/_simulator/profile", self.choose_profile, methods=["PUT"]),
        ]

    async def show(self, _request: Request) -> Response:
        return answer({"faults": [shown_fault(f) for f in self.simulator.faults.active]})

    async def add(self, request: Request) -> Response:
        try:
            rule = FaultRule.model_validate(json.loads(await request.body()))
        except (ValidationError, ValueError, RecursionError) as problem:
            text = problem if isinstance(problem, ValueError) else ValueError("nested too deeply")
            raise bad_request(text) from None
        return answer(shown_fault(self.simulator.faults.add(rule)))

    async def clear(self, _request: Request) -> Response:
        """No rule is left, and the profile is calm again."""
        self.simulator.choose_profile("calm")
        self.simulator.faults.clear()
        return answer({"faults": []})

    async def replay(self, request: Request) -> Response:
        """The rules in force strike again as they did, or as another seed has it."""
        try:
            wanted = _Replay.model_validate(read_object(await request.body() or b"{}"))
        except ValidationError as problem:
            raise bad_request(problem) from None
        self.simulator.faults.replay(wanted.seed)
        return await self.show(request)

    async def show_profile(self, _request: Request) -> Response:
        return answer({"profile": self.simulator.profile})

    async def choose_profile(self, request: Request) -> Response:
        """Sets the profile's rules and switches; those of the one before go."""
        try:
            choice = _Choice.model_validate(read_object(await request.body()))
        except ValidationError as problem:
            raise bad_request(problem) from None
        self.simulator.choose_profile(choice.profile)
        return answer({"profile": choice.profile})


def shown_fault(fault: ActiveFault) -> dict[str, object]:
    """A rule in force with what is left of it."""
    return {
        **fault.rule.model_dump(),
        "id": fault.id,
        "left": fault.left,
        "struck": fault.struck,
        "of_profile": fault.of_profile,
    }
