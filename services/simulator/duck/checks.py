"""What of a workflow's definition bears on running its SQL."""

from dataclasses import replace

from services.simulator.bodies import WorkflowBody
from services.simulator.duck.facts import Facts
from services.simulator.duck.prepare import NO_AGGREGATE, prepare
from services.simulator.duck.thresholds import Privacy
from services.simulator.sql.compiler import CompiledQuery
from services.simulator.sql.source import CompileError


def checked(query: CompiledQuery, body: WorkflowBody, *, sandbox: bool) -> CompiledQuery:
    """The query with the columns that running it gives; CompileError if it cannot be run."""
    # DuckDB is there only where its engine is.
    from services.simulator.duck.trial import try_out  # noqa: PLC0415  see above

    facts = Facts(types=query.declared, controls=not sandbox)
    found = prepare(query.sql, facts, privacy_of(body, controls=not sandbox))
    try_out(found.sql)
    return replace(query, columns=found.columns)


def check_permitted(query: CompiledQuery, *, sandbox: bool) -> None:
    """CompileError for what AMC does not let run on an instance, whoever would run it."""
    if not sandbox and not query.aggregates:
        raise CompileError(NO_AGGREGATE)


def privacy_of(body: WorkflowBody | None, *, controls: bool) -> Privacy:
    if body is None:
        return Privacy(controls=controls)
    return Privacy(
        remove_values=body.privacy_filtering_behavior == "REMOVE_VALUES",
        discriminator=body.filtered_metrics_discriminator_column,
        user_count=body.distinct_user_count_column,
        reason=body.filtered_reason_column,
        controls=controls,
    )
