"""The whole system in figures, for dashboards."""

from fastapi import APIRouter
from pydantic import BaseModel

from services.api.dependencies import State
from shared.db.stats import Figures
from shared.domain.states import FINAL, ExecutionState

router = APIRouter(tags=["stats"])


class LastDayOut(BaseModel):
    """Executions that ended in the last 24 hours."""

    finished: int
    completed: int
    failed: int
    cancelled: int


class InstanceLoadOut(BaseModel):
    """One instance now."""

    instance_id: str
    max_concurrent_executions: int
    in_use: int
    queued: int
    oldest_queued_seconds: float
    paused: bool


class QueueWaitOut(BaseModel):
    """How long executions admitted in the last hour had waited; null if there were none."""

    p50: float | None
    p95: float | None


class StatsOut(BaseModel):
    """Figures no older than five seconds."""

    executions: dict[str, int]
    last_24_hours: LastDayOut
    instances: list[InstanceLoadOut]
    token_refreshes: int
    broken_credentials: int
    outbox_messages: int
    outbox_oldest_seconds: float
    queue_wait_seconds: QueueWaitOut


@router.get("/stats")
async def read_stats(state: State) -> StatsOut:
    """Counts by state, the last day, and every instance's load."""
    return _shown(await state.figures.now())


def _shown(figures: Figures) -> StatsOut:
    day = {final: figures.last_day.get(final, 0) for final in FINAL}
    return StatsOut(
        executions={state.value: figures.states.get(state, 0) for state in ExecutionState},
        last_24_hours=LastDayOut(
            finished=sum(day.values()),
            completed=day[ExecutionState.COMPLETED],
            failed=day[ExecutionState.FAILED],
            cancelled=day[ExecutionState.CANCELLED],
        ),
        instances=[
            InstanceLoadOut(
                instance_id=load.instance_id,
                max_concurrent_executions=load.max_concurrent_executions,
                in_use=load.in_use,
                queued=load.queued,
                oldest_queued_seconds=load.oldest_queued_seconds,
                paused=load.paused,
            )
            for load in figures.instances
        ],
        token_refreshes=figures.token_refreshes,
        broken_credentials=figures.broken_credentials,
        outbox_messages=figures.outbox_messages,
        outbox_oldest_seconds=figures.outbox_oldest_seconds,
        queue_wait_seconds=QueueWaitOut(
            p50=figures.queue_wait_p50_seconds, p95=figures.queue_wait_p95_seconds
        ),
    )
