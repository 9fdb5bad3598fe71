"""Keeps a simulator's state in a file: reads it at start, writes what each request changed.

An answer goes out only after what it tells was written: the world, advertisers, schedules,
workflows, executions, tokens, codes, the key of the links, switches and faults. Counters and
journal, which every request changes, are written once a second at most, and at the end.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from services.simulator.bodies import WorkflowBody
from services.simulator.execution import Workflow
from services.simulator.journal import Entry
from services.simulator.simulator import Simulator
from services.simulator.state.executions import KeptExecution, compiled, read, written
from services.simulator.state.house import House, described, rebuilt
from services.simulator.state.memory import (
    Controls,
    Counters,
    controls_of,
    counted_again,
    counters_of,
    set_again,
    start_of,
)
from services.simulator.state.store import Changes, Store

_HOUSE = "house"
_CONTROLS = "controls"
_COUNTERS = "counters"
_EVERY_SECONDS = 1.0
_ENTRY = TypeAdapter(Entry)


class Keeper:
    """One simulator's file."""

    def __init__(self, simulator: Simulator, path: Path) -> None:
        self._simulator = simulator
        self._store = Store(path)
        self._documents: dict[str, str] = {}
        self._start = start_of(simulator)
        self._strikes = 0
        self._remembered_at = simulator.clock.now()
        self._journalled = 0
        self._workflows: dict[tuple[str, str], WorkflowBody] = {}
        self._instances: frozenset[str] = frozenset()
        try:
            self._load()
        except ValidationError as error:
            self._store.close()
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
        strikes = self._simulator.faults.strikes
        late = self._simulator.clock.now() - self._remembered_at >= _EVERY_SECONDS
        if changing or late or strikes != self._strikes:
            self._strikes = strikes
            self._remember(all_of_it=late)

    def close(self) -> None:
        self._look(write=True)
        self._remember(all_of_it=True)
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
        self._note(changes, _HOUSE, described(self._simulator).model_dump_json(by_alias=True))
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

    def _remember(self, *, all_of_it: bool) -> None:
        simulator, changes = self._simulator, Changes()
        controls = controls_of(simulator, self._start)
        self._note(changes, _CONTROLS, controls.model_dump_json())
        if all_of_it:
            self._note(changes, _COUNTERS, counters_of(simulator).model_dump_json())
            self._add_journal(changes)
            self._remembered_at = simulator.clock.now()
        if changes:
            self._store.write(changes)

    def _add_journal(self, changes: Changes) -> None:
        journal = self._simulator.journal
        added = journal.after(self._journalled, journal.size)
        changes.journal = [(entry["seq"], json.dumps(entry)) for entry in added]
        if added:
            changes.journal_gone = [(journal.last - journal.size,)]
        self._journalled = journal.last

    def _note(self, changes: Changes, name: str, text: str) -> None:
        """Writes a document if it is not the one that was written last."""
        if self._documents.get(name) != text:
            self._documents[name] = text
            changes.documents.append((name, text))

    def _present(self) -> Iterator[tuple[tuple[str, str], WorkflowBody]]:
        for instance in self._simulator.world.instances.values():
            for workflow_id, workflow in instance.workflows.items():
                yield (instance.id, workflow_id), workflow.body

    def _load(self) -> None:
        text = self._store.document(_HOUSE)
        if text is None:
            return
        simulator = self._simulator
        if (controls := self._store.document(_CONTROLS)) is not None:
            set_again(Controls.model_validate_json(controls), simulator, self._start)
        rebuilt(House.model_validate_json(text), simulator)
        simulator.add_world_file()
        if (counters := self._store.document(_COUNTERS)) is not None:
            counted_again(Counters.model_validate_json(counters), simulator)
        entries = [_ENTRY.validate_json(body) for body in self._store.journal()]
        self._journalled = entries[-1]["seq"] if entries else 0
        simulator.journal.restore(entries, self._journalled)
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
