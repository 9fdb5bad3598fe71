"""Moves executions through AMC's states, in time order, whenever somebody looks.

One heap of coming events and no task: `advance` applies everything that is due, each event at its
own time, so that states, order of starts and peaks are the same however rarely it is called.
Time scale divides validation and running; queueing follows from them.
"""

import heapq
import itertools
import uuid
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from services.simulator.admission import budget_refusal
from services.simulator.clock import Clock
from services.simulator.distribution import Distribution, seeded
from services.simulator.durations import Durations
from services.simulator.execution import ACTIVE, Execution, Order, Status
from services.simulator.switches import Switches
from services.simulator.world import Account, Instance

_Event = Callable[[float], None]
_LOOK_AGAIN_SECONDS = 0.05


class Runs(Protocol):
    """Works out results beside the event loop."""

    def wants(self, execution: Execution) -> bool:
        """Whether the result is worked out, not made up."""

    def start(self, execution: Execution) -> None:
        """Begins; called once, with RUNNING."""

    def resume(self, execution: Execution) -> None:
        """Begins again what an earlier process had begun, unless it had come to an end there."""

    def sweep(self, known: Container[str]) -> None:
        """Removes what is kept of executions that are not known."""

    def stop(self, execution: Execution) -> None:
        """The result is not wanted any more."""

    def is_done(self, execution: Execution) -> bool:
        """Also true for one that was never started."""

    def failure(self, execution: Execution) -> str | None:
        """Why one that is done has no result."""

    def close(self) -> None:
        """Stops all; called once, last."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take at AMC and how much comes out; seconds are AMC's."""

    time_scale: float
    validation_seconds: float
    durations: Durations
    rows: Distribution
    seed: int


class Engine:
    """The only writer of executions' states."""

    def __init__(self, clock: Clock, pace: Pace, switches: Callable[[], Switches]) -> None:
        self._clock = clock
        self._pace = pace
        self._switches = switches
        self._events: list[tuple[float, int, _Event]] = []
        self._sequence = itertools.count()
        self._by_id: dict[str, Execution] = {}
        self.runs: Runs | None = None
        """Who works results out; None if all are made up."""
        self.touched: set[Execution] | None = None
        """What changed since somebody who keeps state emptied it; None if nobody does."""

    def advance(self) -> float:
        """Applies what is due; the time it is now."""
        now = self._clock.now()
        events = self._events
        while events and events[0][0] <= now:
            at, _, event = heapq.heappop(events)
            event(at)
        return now

    def at(self, when: float, event: _Event) -> None:
        """Calls `event` with the time `when`, once that has come."""
        heapq.heappush(self._events, (when, next(self._sequence), event))

    def find(self, execution_id: str) -> Execution | None:
        return self._by_id.get(execution_id)

    def create(self, instance: Instance, order: Order, at: float) -> Execution:
        """Takes an execution in as PENDING at the time `at`."""
        number = len(instance.executions)
        seed, query = self._pace.seed, order.query
        window = (order.window.start_utc, order.window.end_utc)
        values = sorted(order.parameter_values.items())
        rows = self._pace.rows.draw(seeded(seed, "rows", query.sql, values, window, instance.id))
        duration = self._pace.durations(order, seeded(seed, "duration", instance.id, number))
        wanted = query.directives
        execution = Execution(
            id=str(uuid.uuid4()),
            number=number,
            instance=instance,
            order=order,
            created_at=at,
            updated_at=at,
            run_seconds=duration if wanted.duration is None else wanted.duration,
            rows=round(rows) if wanted.rows is None else wanted.rows,
            disable_aggregation_controls=order.body.disable_aggregation_controls,
        )
        instance.executions.append(execution)
        self._by_id[execution.id] = execution
        self._changed(execution)
        self._count_created(instance)
        self.at(at + self._wall(self._pace.validation_seconds), partial(self._validate, execution))
        return execution

    def restore(self, execution: Execution) -> None:
        """Takes in an execution of an earlier process, in the state in which that left it."""
        instance, account = execution.instance, execution.instance.account
        execution.number = len(instance.executions)
        instance.executions.append(execution)
        self._by_id[execution.id] = execution
        workflow = instance.workflows.get(execution.order.workflow_id)
        if workflow is not None:
            workflow.runs = max(workflow.runs, execution.order.run)
        if execution.status not in ACTIVE:
            return
        instance.active += 1
        account.active += 1
        if execution.status is Status.RUNNING and execution.started_at is not None:
            instance.running += 1
            account.running += 1
            self._schedule_end(execution, execution.started_at)
            if self.runs is not None and self.runs.wants(execution):
                self.runs.resume(execution)
        elif execution.validated_at is not None:
            instance.waiting.append(execution)
        else:
            validated = execution.created_at + self._wall(self._pace.validation_seconds)
            self.at(validated, partial(self._validate, execution))

    def forget_others(self) -> None:
        """Called once after everything was restored: results of other executions go."""
        if self.runs is not None:
            self.runs.sweep(self._by_id)

    def cancel(self, execution: Execution, at: float) -> None:
        """Ends an active execution as CANCELLED; its place is free at once."""
        execution.instance.traffic.tally.executions_cancelled += 1
        reason = "The execution was cancelled." if self._switches().cancelled_reason else None
        self._finish(execution, Status.CANCELLED, at, reason)

    def hide(self, execution: Execution) -> None:
        """Takes an execution out of sight; its place in the instance's list stays."""
        execution.hidden = True
        self._changed(execution)

    def limit(self, instance: Instance) -> int:
        """Executions that may run at once on an instance."""
        own = instance.entry.max_concurrent_executions
        return self._switches().max_concurrent_executions if own is None else own

    def refill(self, instances: Iterable[Instance]) -> None:
        """Starts what a raised limit now lets run."""
        at = self.advance()
        for instance in instances:
            self._start_waiting(instance, at)

    def _count_created(self, instance: Instance) -> None:
        account, tally = instance.account, instance.traffic.tally
        instance.active += 1
        account.active += 1
        account.peak_active = max(account.peak_active, account.active)
        tally.executions_created += 1
        tally.peak_active = max(tally.peak_active, instance.active)

    def _validate(self, execution: Execution, at: float) -> None:
        if execution.status is not Status.PENDING:
            return
        execution.validated_at = execution.updated_at = at
        self._changed(execution)
        order = execution.order
        refusal = order.refusal or order.query.directives.reject or self._over_budget(execution)
        if refusal is not None:
            self._finish(execution, Status.REJECTED, at, refusal)
        elif order.body.dry_run:
            execution.run_seconds = 0.0
            self._finish(execution, Status.SUCCEEDED, at)
        else:
            execution.instance.waiting.append(execution)
            self._start_waiting(execution.instance, at)

    def _over_budget(self, execution: Execution) -> str | None:
        limit = self._switches().privacy_budget_executions
        if limit is None or execution.order.body.dry_run:
            return None
        return budget_refusal(execution, limit)

    def _start_waiting(self, instance: Instance, at: float) -> None:
        waiting, limit = instance.waiting, self.limit(instance)
        while waiting and instance.running < limit and not self._is_full(instance.account):
            execution = waiting.popleft()
            if execution.status is Status.PENDING:
                self._start(execution, at)

    def _is_full(self, account: Account) -> bool:
        return account.running >= self._switches().max_concurrent_executions_per_account

    def _start(self, execution: Execution, at: float) -> None:
        instance = execution.instance
        execution.status = Status.RUNNING
        execution.started_at = execution.updated_at = at
        self._changed(execution)
        account = instance.account
        instance.running += 1
        account.running += 1
        account.peak_running = max(account.peak_running, account.running)
        tally = instance.traffic.tally
        tally.peak_running = max(tally.peak_running, instance.running)
        self._schedule_end(execution, at)
        if self.runs is not None and self.runs.wants(execution):
            self.runs.start(execution)

    def _schedule_end(self, execution: Execution, started_at: float) -> None:
        timeout = execution.order.body.workflow_execution_timeout_seconds
        ends = started_at + self._wall(min(execution.run_seconds, timeout))
        self.at(ends, partial(self._end_run, execution))

    def _end_run(self, execution: Execution, at: float) -> None:
        if execution.status is not Status.RUNNING:
            return
        order = execution.order
        timeout = order.body.workflow_execution_timeout_seconds
        if execution.run_seconds > timeout:
            reason = f"Workflow execution timed out after {timeout} seconds."
            execution.run_seconds = timeout
            self._finish(execution, Status.FAILED, at, reason)
        elif order.query.directives.fail is not None:
            self._finish(execution, Status.FAILED, at, order.query.directives.fail)
        elif self.runs is not None and not self.runs.is_done(execution):
            # The data were slower than the model; a later look finds the same result.
            again = max(at, self._clock.now()) + _LOOK_AGAIN_SECONDS
            self.at(again, partial(self._end_run, execution))
        else:
            failure = self.runs.failure(execution) if self.runs is not None else None
            status = Status.SUCCEEDED if failure is None else Status.FAILED
            self._finish(execution, status, at, failure)

    def _finish(
        self, execution: Execution, status: Status, at: float, reason: str | None = None
    ) -> None:
        assert execution.status in ACTIVE
        instance, account = execution.instance, execution.instance.account
        was_running, was_full = execution.status is Status.RUNNING, self._is_full(account)
        execution.status, execution.status_reason = status, reason
        execution.finished_at = execution.updated_at = at
        self._changed(execution)
        if self.runs is not None and status is not Status.SUCCEEDED:
            self.runs.stop(execution)
        instance.active -= 1
        account.active -= 1
        instance.traffic.tally.finished[status] += 1
        if was_running:
            instance.running -= 1
            account.running -= 1
            for other in _by_oldest_waiting(account) if was_full else [instance]:
                self._start_waiting(other, at)

    def _changed(self, execution: Execution) -> None:
        if self.touched is not None:
            self.touched.add(execution)

    def _wall(self, amc_seconds: float) -> float:
        return amc_seconds / self._pace.time_scale


def _by_oldest_waiting(account: Account) -> list[Instance]:
    """The instances that wait for a place, the one that waited longest first."""
    waiting = [instance for instance in account.instances if instance.waiting]
    return sorted(waiting, key=lambda instance: instance.waiting[0].created_at)
