"""Keeps a simulator's state in a file: reads it at start, writes what each request changed.

An answer goes out only after what it tells was written. Kept are the world, advertisers, schedules,
workflows, executions, tokens, codes and the key of the links; counters, journal, switches and
faults start anew.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from services.simulator.bodies import WorkflowBody
from services.simulator.execution import Workflow
from services.simulator.simulator import Simulator
from services.simulator.state.executions import KeptExecution, compiled, read, written
from services.simulator.state.house import House, described, rebuilt
from services.simulator.state.store import Changes, Store

_HOUSE = "house"


class Keeper:
    """One simulator's file."""

    def __init__(self, simulator: Simulator, path: Path) -> None:
        self._simulator = simulator
        self._store = Store(path)
        self._house = ""
        self._workflows: dict[tuple[str, str], WorkflowBody] = {}
        self._instances: frozenset[str] = frozenset()
        try:
            self._load()
        except ValidationError as error:
            raise ValueError(f"state file {path}: {error.error_count()} bad values") from None
        simulator.engine.touched = set()
        self._look(write=True)

    def save(self, *, changing: bool) -> None:
        """Writes what is new; only a `changing` request can have changed more than executions."""
        touched = self._simulator.engine.touched or set()
        if changing or touched:
            # A schedule's firing and its execution are one change, whoever was there to see it.
            fired = any(execution.order.cadence != "adhoc" for execution in touched)
            self._look(write=changing or fired)

    def close(self) -> None:
        self._look(write=True)
        self._store.close()

    def _look(self, *, write: bool) -> None:
        engine, changes = self._simulator.engine, Changes()
        for execution in engine.touched or ():
            body = written(execution)
            row = (execution.id, execution.instance.id, execution.number, body)
            changes.executions.append(row)
        engine.touched = set()
        if write:
            self._find_changes(changes)
        if changes:
            self._store.write(changes)

    def _find_changes(self, changes: Changes) -> None:
        house = described(self._simulator).model_dump_json(by_alias=True)
        if house != self._house:
            changes.documents.append((_HOUSE, house))
            self._house = house
        instances = frozenset(self._simulator.world.instances)
        gone = self._instances - instances
        changes.instances_gone = [(instance_id,) for instance_id in sorted(gone)]
        changes.executions = [row for row in changes.executions if row[1] in instances]
        self._instances = instances
        workflows = dict(self._present())
        for key, body in workflows.items():
            if self._workflows.get(key) is not body:
                changes.workflows.append(
                    (*key, body.model_dump_json(by_alias=True, exclude_unset=True))
                )
        changes.workflows_gone = [key for key in self._workflows if key not in workflows]
        self._workflows = workflows

    def _present(self) -> Iterator[tuple[tuple[str, str], WorkflowBody]]:
        for instance in self._simulator.world.instances.values():
            for workflow_id, workflow in instance.workflows.items():
                yield (instance.id, workflow_id), workflow.body

    def _load(self) -> None:
        text = self._store.document(_HOUSE)
        if text is None:
            return
        simulator = self._simulator
        rebuilt(House.model_validate_json(text), simulator)
        simulator.add_world_file()
        instances = simulator.world.instances
        for instance_id, workflow_id, body in self._store.workflows():
            if instance_id in instances:
                definition = WorkflowBody.model_validate_json(body)
                query = compiled(definition.sql_query or "", definition)
                instances[instance_id].workflows[workflow_id] = Workflow(definition, query)
        for row in self._store.executions():
            kept = KeptExecution.model_validate_json(row)
            if kept.instance_id in instances:
                simulator.engine.restore(read(kept, instances[kept.instance_id]))
        self._workflows = dict(self._present())
        self._instances = frozenset(instances)
        simulator.engine.forget_others()
        simulator.engine.refill(instances.values())
