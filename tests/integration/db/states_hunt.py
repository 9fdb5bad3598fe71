"""Hypothesis let loose on the machine, and the connections it needs."""

from contextlib import AsyncExitStack

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from shared.db.pool import open_database
from tests.integration.builders import make_workflow
from tests.integration.db.states_actors import ACTORS
from tests.integration.db.states_clerks import STEPS, Clerks
from tests.integration.db.states_world import own_connection


async def opened(url: str, stack: AsyncExitStack) -> type[Clerks]:
    """The machine on this database, with connections that serve all examples."""
    pool = await stack.enter_async_context(open_database(url, service="model", max_size=2))

    class OnThisDatabase(Clerks):
        pass

    workflow = await make_workflow(pool)
    # Of the results that are loaded; a load makes its version before its last statement.
    await pool.execute(
        "insert into result_versions (workflow_id, version, fingerprint, table_name)"
        " values ($1, 1, 'f', 't')",
        workflow.id,
    )
    OnThisDatabase.pool, OnThisDatabase.workflow = pool, workflow
    OnThisDatabase.complaints = []
    OnThisDatabase.actors = [await own_connection(url, pool, stack) for _ in range(ACTORS)]
    return OnThisDatabase


def hunt(machine: type[Clerks], *, examples: int, derandomize: bool) -> None:
    """So many examples; AssertionError at the first that the judge complains of."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=derandomize,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            phases=(Phase.explicit, Phase.generate),
        ),
    )
