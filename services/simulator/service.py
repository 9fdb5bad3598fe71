"""Wires the simulator to a socket and serves until a signal."""

import gc
import socket
import sys

import uvicorn

from services.simulator.clock import SystemClock
from services.simulator.protocol import CuttableProtocol, StoppableServer
from services.simulator.settings import SimulatorSettings
from services.simulator.simulator import build_simulator
from services.simulator.state.keeper import Keeper
from services.simulator.web.app import build_app

_BACKLOG = 2048
_SWITCH_SECONDS = 0.001
_COLLECTIONS = (20_000, 20, 100)


def listen(settings: SimulatorSettings) -> socket.socket:
    """A listening socket; OSError if the address is not to be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((settings.host, settings.port))
    except OSError:
        opened.close()
        raise
    opened.listen(_BACKLOG)
    return opened


def serve(settings: SimulatorSettings) -> None:
    """Runs until SIGTERM or SIGINT. Connections wait in the backlog from the printed line on."""
    simulator = build_simulator(settings, SystemClock())
    keeper = Keeper(simulator, settings.state) if settings.state is not None else None
    simulator.keeper = keeper
    app = build_app(simulator)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
    )
    opened = listen(settings)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    print(  # noqa: T201  how whoever started us learns the port
        f"simulator: listening on http://{host}:{opened.getsockname()[1]}", flush=True
    )
    # Queries and their results are worked on in threads. The loop gets its turn back this soon, and
    # a collection of garbage, which stops everything, does not go through what was there at start,
    # nor often through what is kept: one took 0.3 s in a benchmark on a busy machine, and all that
    # arrived meanwhile was stamped late.
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(*_COLLECTIONS)

    def live_on() -> None:
        # What is due happens on its moment and not when somebody asks: a query starts, a schedule
        # fires, and a crash finds it written down.
        simulator.engine.advance()
        if keeper is not None:
            keeper.save(changing=False)

    StoppableServer(config, live_on).run(sockets=[opened])
    # What stays frozen at the end of the process looks leaked to DuckDB's binding, which says so.
    gc.unfreeze()
    if simulator.engine.runs is not None:
        simulator.engine.runs.close()
    if keeper is not None:
        keeper.close()
