"""Every move of an execution, by several connections in any order, against a model.

Hypothesis chooses the moves, who makes them, and which transactions stay open meanwhile; after
each step the committed rows are those of the model, no slot is taken twice or left idle, and
whatever waits has something that wakes it. AMCFLOW_MODEL_EXAMPLES asks for more examples.
"""

import asyncio
import os
from contextlib import AsyncExitStack

from tests.integration.db.states_actors import TALLY
from tests.integration.db.states_hunt import hunt, opened

EXAMPLES = int(os.environ.get("AMCFLOW_MODEL_EXAMPLES", "15"))
IS_HUNT = "AMCFLOW_MODEL_EXAMPLES" in os.environ
REACHED = {"bind", "observe", "request_cancel", "requeue", "claim_for_reconciliation"}


def test_the_repositories_do_what_the_model_says(database_url: str) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        machine = runner.run(opened(database_url, stack))
        machine.runner = runner
        hunt(machine, examples=EXAMPLES, derandomize=not IS_HUNT)
        runner.run(stack.aclose())
    done = {what.removesuffix(", done") for what in TALLY if what.endswith(", done")}
    # A hunt may miss one of them by its luck.
    assert IS_HUNT or done >= REACHED, REACHED - done
    assert TALLY["waits for a lock"] > EXAMPLES
