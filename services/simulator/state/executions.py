"""Executions as they are written down, and back."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from services.simulator.bodies import ExecutionBody, WorkflowBody
from services.simulator.catalogue import Column
from services.simulator.execution import Cadence, Execution, Order, Status
from services.simulator.sql.compiler import CompiledQuery, compile_query
from services.simulator.sql.directives import Directives
from services.simulator.sql.source import CompileError
from services.simulator.windows import Window
from services.simulator.world import Instance


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True)


class KeptWindow(_Kept):
    """A window; the times are UTC."""

    start: datetime
    end: datetime
    zone: str
    explicit: bool


class KeptOrder(_Kept):
    """An order; its query is compiled again when it is read."""

    workflow_id: str
    sql: str
    body: ExecutionBody
    window: KeptWindow
    parameter_values: dict[str, object]
    refusal: str | None
    run: int
    definition: WorkflowBody
    controls: bool = True
    cadence: Cadence = "adhoc"


class KeptExecution(_Kept):
    """One execution."""

    id: str
    number: int
    instance_id: str
    order: KeptOrder
    created_at: float
    updated_at: float
    run_seconds: float
    rows: int
    status: Status
    status_reason: str | None
    validated_at: float | None
    started_at: float | None
    finished_at: float | None
    disable_aggregation_controls: bool
    hidden: bool


def written(execution: Execution) -> str:
    """The execution as JSON."""
    order, window = execution.order, execution.order.window
    simple = {
        name: getattr(execution, name)
        for name in KeptExecution.model_fields
        if name not in {"order", "instance_id"}
    }
    kept_window = KeptWindow(
        start=window.start.astimezone(UTC),
        end=window.end.astimezone(UTC),
        zone=window.zone,
        explicit=window.explicit,
    )
    kept_order = KeptOrder(
        workflow_id=order.workflow_id,
        sql=order.query.sql,
        body=order.body,
        window=kept_window,
        parameter_values=dict(order.parameter_values),
        refusal=order.refusal,
        run=order.run,
        definition=order.definition,
        controls=order.controls,
        cadence=order.cadence,
    )
    kept = KeptExecution(instance_id=execution.instance.id, order=kept_order, **simple)
    return kept.model_dump_json(by_alias=True)


def read(kept: KeptExecution, instance: Instance) -> Execution:
    """The execution again, on its instance."""
    order, zone = kept.order, ZoneInfo(kept.order.window.zone)
    window = Window(
        order.window.start.astimezone(zone),
        order.window.end.astimezone(zone),
        order.window.zone,
        explicit=order.window.explicit,
    )
    return Execution(
        id=kept.id,
        number=kept.number,
        instance=instance,
        order=Order(
            workflow_id=order.workflow_id,
            query=compiled(order.sql, order.definition),
            body=order.body,
            window=window,
            parameter_values=order.parameter_values,
            refusal=order.refusal,
            run=order.run,
            definition=order.definition,
            controls=order.controls,
            cadence=order.cadence,
        ),
        created_at=kept.created_at,
        updated_at=kept.updated_at,
        run_seconds=kept.run_seconds,
        rows=kept.rows,
        status=kept.status,
        status_reason=kept.status_reason,
        validated_at=kept.validated_at,
        started_at=kept.started_at,
        finished_at=kept.finished_at,
        disable_aggregation_controls=kept.disable_aggregation_controls,
        hidden=kept.hidden,
    )


def compiled(sql: str, definition: WorkflowBody) -> CompiledQuery:
    """The query; one that no longer compiles keeps its text and a column without a name."""
    declared = {parameter.name: parameter.sql_type for parameter in definition.input_parameters}
    try:
        return compile_query(sql, declared)
    except CompileError:
        column = Column("EXPR$0", "STRING", "DIMENSION")
        return CompiledQuery(sql, (column,), frozenset(), Directives())
