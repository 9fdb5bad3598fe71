"""An execution that comes into being seconds after its request was answered, or cut off."""

from contextlib import suppress

from services.simulator.refusal import Refusal
from services.simulator.web.door import Door
from services.simulator.web.exchange import Exchange
from services.simulator.web.executions import Executions


async def create_late(exchange: Exchange, seconds: float) -> None:
    """Creates what the request asks for once `seconds` of wall time are over.

    Only a POST to workflowExecutions asks for something; what would have been refused is not
    created. There is no timer: the engine does it when somebody looks next, at the right time.
    """
    request, instance = exchange.request, exchange.instance
    is_create = request.method == "POST" and request.scope["path"].endswith("/workflowExecutions")
    raw = await request.body()
    if instance is None or not is_create:
        return
    executions = Executions(exchange.simulator, Door(exchange.simulator))
    with suppress(Refusal):
        await executions.prepare(instance, raw)

    def create(at: float) -> None:
        with suppress(Refusal):
            executions.create(instance, raw, at)

    exchange.simulator.engine.at(exchange.arrived_at + seconds, create)
