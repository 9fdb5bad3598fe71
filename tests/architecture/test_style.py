"""Rules of the house that no linter knows."""

import ast
import re
from collections.abc import Iterator

import pytest

from shared.messaging.topology import Topology
from tests.architecture.source import PRODUCT, Module, places

LONGEST_MODULE = 400
LONGEST_FUNCTION = 50
# A migration is a list of statements: it is read one statement at a time.
MIGRATIONS = "shared/db/migrations/versions/"

NO_NAMES = {"utils", "helpers", "common", "base", "manager", "misc"}
NO_ENDINGS = ("_service", "_v2", "_fixed", "_utils", "_helpers")

ids = [module.path for module in PRODUCT]


@pytest.mark.parametrize("module", PRODUCT, ids=ids)
def test_a_module_says_what_it_is(module: Module) -> None:
    assert ast.get_docstring(module.tree)


@pytest.mark.parametrize("module", PRODUCT, ids=ids)
def test_a_module_can_be_read_at_one_go(module: Module) -> None:
    assert module.lines <= LONGEST_MODULE or module.path.startswith(MIGRATIONS)


def test_a_module_is_named_after_an_idea() -> None:
    names = [
        (module.path, module.path.rsplit("/", 1)[-1].removesuffix(".py")) for module in PRODUCT
    ]

    assert [path for path, name in names if name in NO_NAMES or name.endswith(NO_ENDINGS)] == []


def test_a_function_can_be_read_at_one_go() -> None:
    def too_long() -> Iterator[tuple[Module, ast.AST]]:
        for module in PRODUCT:
            for node in module.nodes():
                if (
                    isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                    and node.end_lineno is not None
                    and node.end_lineno - node.lineno >= LONGEST_FUNCTION
                ):
                    yield module, node

    assert places(too_long()) == []


def test_a_class_says_what_an_instance_of_it_is() -> None:
    def silent() -> Iterator[tuple[Module, ast.AST]]:
        for module in PRODUCT:
            for node in module.tree.body:
                if (
                    isinstance(node, ast.ClassDef)
                    and not node.name.startswith("_")
                    and ast.get_docstring(node) is None
                ):
                    yield module, node

    assert places(silent()) == []


# The demo asks as any other program would: by the name in docs/queue-intake.md.
NAMES_QUEUES = ("shared/messaging/topology.py", "deploy/local/demo/")


def test_only_the_topology_names_queues_and_exchanges() -> None:
    topology = Topology()
    queues = (*topology.work_queues, *topology.dead_queues)
    names = {each.name for each in (*topology.exchanges, *queues)}

    def named() -> Iterator[tuple[Module, ast.AST]]:
        for module in PRODUCT:
            for node in module.nodes():
                if isinstance(node, ast.Constant) and node.value in names:
                    yield module, node

    assert [place for place in places(named()) if not place.startswith(NAMES_QUEUES)] == []


# The consumer's edge, the outermost frame of a process, and one that gives back and raises again.
CATCH_ALL = {
    "shared/messaging/consumer.py": 2,
    "shared/runtime/service.py": 1,
    "services/downloader/handler.py": 1,
}


def _is_catch_all(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id == "Exception") for kind in kinds
    )


def test_every_exception_is_caught_at_the_edges_only() -> None:
    found = {
        module.path: sum(map(_is_catch_all, module.nodes()))
        for module in PRODUCT
        if not module.path.startswith("deploy/")
    }

    assert {path: number for path, number in found.items() if number} == CATCH_ALL


def test_every_task_has_an_owner() -> None:
    def ownerless() -> Iterator[tuple[Module, ast.AST]]:
        for module in PRODUCT:
            for node in module.nodes():
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.value, ast.Name)
                    and node.value.id == "asyncio"
                    and (
                        node.attr == "create_task"
                        or (
                            node.attr == "ensure_future"
                            and not module.path.startswith("shared/runtime/")
                        )
                    )
                ):
                    yield module, node

    assert places(ownerless()) == []


# The simulator is another house with a clock of its own; deploy has no database to ask.
OWN_TIME = ("shared/domain/clock.py", "services/simulator/", "deploy/", "cli/")
CLOCKS = {
    *(("time", name) for name in ("time", "time_ns", "localtime", "gmtime")),
    *(("datetime", name) for name in ("now", "utcnow", "today")),
    ("date", "today"),
}


def test_only_one_module_asks_the_machine_what_time_it_is() -> None:
    def asking() -> Iterator[tuple[Module, ast.AST]]:
        for module in PRODUCT:
            for node in module.nodes():
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.value, ast.Name)
                    and (node.value.id, node.attr) in CLOCKS
                    and not module.path.startswith(OWN_TIME)
                ):
                    yield module, node

    assert places(asking()) == []


def test_what_is_logged_is_a_fact_in_snake_case() -> None:
    def odd() -> Iterator[tuple[Module, ast.AST]]:
        for module in PRODUCT:
            for node in module.nodes():
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "log"
                    and not module.path.startswith("deploy/")
                    and not _is_fact(node.args[0])
                ):
                    yield module, node

    assert places(odd()) == []


def _is_fact(event: ast.expr) -> bool:
    return (
        isinstance(event, ast.Constant)
        and isinstance(event.value, str)
        and re.fullmatch(r"[a-z]+(_[a-z]+)+", event.value) is not None
    )


def test_what_is_left_to_do_names_its_issue() -> None:
    left = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")

    assert [module.path for module in PRODUCT if left.search(module.text)] == []
