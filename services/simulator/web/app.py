"""Puts the routes together, and turns refusals into answers."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, ExceptionHandler

from services.simulator.refusal import Refusal, Throttled
from services.simulator.simulator import Simulator
from services.simulator.web.administration import Administration
from services.simulator.web.advertisers import Advertisers
from services.simulator.web.answers import error, message_error, throttled
from services.simulator.web.authorize import Authorize
from services.simulator.web.calendar import Calendar
from services.simulator.web.control import Control
from services.simulator.web.datasources import DataSources
from services.simulator.web.door import Door
from services.simulator.web.executions import Executions
from services.simulator.web.failing import Failing
from services.simulator.web.firing import Firing
from services.simulator.web.gateway import Gateway
from services.simulator.web.login import Login
from services.simulator.web.object_store import ObjectStore
from services.simulator.web.page import Page
from services.simulator.web.profiles import Profiles
from services.simulator.web.schedules import Schedules
from services.simulator.web.witness import Witness
from services.simulator.web.workflows import Workflows

_ADMINISTRATION = ("/amc/accounts", "/amc/instances")


def build_app(simulator: Simulator) -> ASGIApp:
    """The whole HTTP side of one simulator."""
    door = Door(simulator)
    executions = Executions(simulator, door)
    calendar = Calendar(simulator, executions)
    calendar.restore()
    routes = [
        *executions.routes(),
        *Workflows(simulator, door).routes(),
        *DataSources(simulator, door).routes(),
        *Schedules(simulator, door, calendar).routes(),
        *Administration(simulator, door).routes(),
        *Advertisers(simulator, door).routes(),
        *Login(simulator).routes(),
        *Authorize(simulator).routes(),
        *Profiles(simulator, door).routes(),
        *ObjectStore(simulator).routes(),
        *Control(simulator).routes(),
        *Failing(simulator).routes(),
        *Firing(calendar).routes(),
        *Witness(simulator).routes(),
        *Page(simulator).routes(),
    ]

    async def refused(request: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, Refusal)
        if isinstance(refusal, Throttled):
            switches = simulator.switches
            return throttled(switches.throttle_flavour, switches, refusal.details)
        ours = request.scope["path"].startswith(_ADMINISTRATION)
        if ours and simulator.switches.administration_errors == "message":
            return message_error(refusal.status, refusal.details, str(request.state.request_id))
        return error(refusal.status, refusal.details, refusal.extra)

    handlers: dict[type[Exception] | int, ExceptionHandler] = {
        Refusal: refused,
        HTTPException: _not_routed,
        ClientDisconnect: _gone,
        Exception: _broken,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    # A redirect would send a client that came through TLS to plain HTTP.
    app.router.redirect_slashes = False
    return Gateway(simulator, app)


async def _not_routed(_request: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)
    return error(failure.status_code, failure.detail)


async def _gone(_request: Request, _failure: Exception) -> Response:
    """The client went away before its request was complete; nobody reads this."""
    return error(400, "The request ended early.")


async def _broken(_request: Request, _failure: Exception) -> Response:
    """Our own mistake: an answer without a traceback; uvicorn logs the traceback."""
    return error(500, "Internal Server Error")
