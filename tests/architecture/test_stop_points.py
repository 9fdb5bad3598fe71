"""The list of stop points is exactly what the code passes by."""

import ast
from collections import Counter

from shared.observability import stop_points
from shared.observability.stop_points import StopPoint
from tests.architecture.source import PRODUCT, Module

DEFINED_IN = "shared/observability/stop_points.py"


def names_in(module: Module) -> list[str]:
    return [
        node.attr
        for node in module.nodes()
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == StopPoint.__name__
    ]


def test_every_stop_point_stands_in_the_code_and_no_other_does() -> None:
    used = Counter(
        name for module in PRODUCT if module.path != DEFINED_IN for name in names_in(module)
    )

    assert set(used) == set(StopPoint.__members__)


def test_every_stop_point_says_what_is_so_there() -> None:
    (module,) = [module for module in PRODUCT if module.path == DEFINED_IN]
    (listed,) = [
        node
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and node.name == StopPoint.__name__
    ]
    silent = [
        ast.unparse(one)
        for one, following in zip(listed.body, [*listed.body[1:], None], strict=True)
        if isinstance(one, ast.Assign)
        and not (isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant))
    ]

    assert silent == []


def test_a_stop_point_is_named_after_its_step() -> None:
    odd = [
        name
        for name, point in StopPoint.__members__.items()
        if point.value.replace(".", "_").upper() != name or point.value.count(".") != 1
    ]

    assert odd == []
    assert stop_points.__doc__
