"""The file in which state is kept: SQLite, one transaction for all that a request changed."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

_VERSION = 1
_TABLES = """
create table if not exists documents (name text primary key, body text not null);
create table if not exists workflows (
  instance_id text, workflow_id text, body text not null, primary key (instance_id, workflow_id)
);
create table if not exists journal (seq integer primary key, body text not null);
create table if not exists executions (
  id text primary key, instance_id text not null, number integer not null, body text not null
);
"""
_SET_ENTRY = "insert or replace into journal values (?, ?)"
_DROP_ENTRIES = "delete from journal where seq <= ?"
_SET_DOCUMENT = "insert or replace into documents values (?, ?)"
_SET_WORKFLOW = "insert or replace into workflows values (?, ?, ?)"
_DROP_WORKFLOW = "delete from workflows where instance_id = ? and workflow_id = ?"
_SET_EXECUTION = "insert or replace into executions values (?, ?, ?, ?)"
_DROP_EXECUTIONS = "delete from executions where instance_id = ?"


@dataclass(slots=True)
class Changes:
    """What one transaction writes; bodies are JSON."""

    documents: list[tuple[str, str]] = field(default_factory=list)
    workflows: list[tuple[str, str, str]] = field(default_factory=list)
    """instance id, workflow id, body"""
    workflows_gone: list[tuple[str, str]] = field(default_factory=list)
    executions: list[tuple[str, str, int, str]] = field(default_factory=list)
    """id, instance id, number, body"""
    instances_gone: list[tuple[str]] = field(default_factory=list)
    journal: list[tuple[int, str]] = field(default_factory=list)
    """number, entry"""
    journal_gone: list[tuple[int]] = field(default_factory=list)
    """The entries up to this number."""

    def __bool__(self) -> bool:
        return bool(
            self.documents or self.workflows or self.workflows_gone or self.executions
            or self.instances_gone or self.journal or self.journal_gone
        )  # fmt: skip


class Store:
    """One open state file, locked for this process; ValueError if it is none of ours."""

    def __init__(self, path: Path) -> None:
        with ExitStack() as refused:
            try:
                self._database = sqlite3.connect(path, timeout=0.2, isolation_level=None)
                refused.callback(self._database.close)
                self._open()
            except sqlite3.Error as error:
                raise ValueError(f"state file {path}: {error}") from None
            refused.pop_all()

    def write(self, changes: Changes) -> None:
        """All of it or nothing."""
        database = self._database
        database.execute("begin")
        try:
            _write(database, changes)
        except sqlite3.Error:
            database.execute("rollback")
            raise
        database.execute("commit")

    def document(self, name: str) -> str | None:
        query = "select body from documents where name = ?"
        found = self._database.execute(query, (name,)).fetchone()
        return None if found is None else str(found[0])

    def workflows(self) -> Iterator[tuple[str, str, str]]:
        yield from self._database.execute("select instance_id, workflow_id, body from workflows")

    def executions(self) -> Iterator[str]:
        """Bodies, those of one instance in the order of creation."""
        rows = self._database.execute("select body from executions order by instance_id, number")
        return (str(row[0]) for row in rows)

    def journal(self) -> list[str]:
        """Entries, the oldest first."""
        rows = self._database.execute("select body from journal order by seq")
        return [str(row[0]) for row in rows]

    def close(self) -> None:
        self._database.close()

    def _open(self) -> None:
        database = self._database
        database.execute("pragma locking_mode = exclusive")
        database.execute("pragma journal_mode = wal")
        database.execute("pragma synchronous = normal")
        (version,) = database.execute("pragma user_version").fetchone()
        if version not in {0, _VERSION}:
            raise sqlite3.DatabaseError(f"was written by another version ({version})")
        database.executescript(f"{_TABLES} pragma user_version = {_VERSION};")


def _write(database: sqlite3.Connection, changes: Changes) -> None:
    steps: tuple[tuple[str, Iterable[tuple[object, ...]]], ...] = (
        (_DROP_EXECUTIONS, changes.instances_gone),
        (_DROP_WORKFLOW, changes.workflows_gone),
        (_SET_WORKFLOW, changes.workflows),
        (_SET_EXECUTION, changes.executions),
        (_SET_DOCUMENT, changes.documents),
        (_DROP_ENTRIES, changes.journal_gone),
        (_SET_ENTRY, changes.journal),
    )
    for statement, rows in steps:
        database.executemany(statement, rows)
