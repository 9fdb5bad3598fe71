"""The source of the project, parsed once."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One file of ours."""

    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def nodes(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree)


@cache
def modules(*packages: str) -> tuple[Module, ...]:
    """All modules below these, but for empty package files."""
    paths = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    texts = [(path, path.read_text("utf-8")) for path in paths]
    return tuple(
        Module(str(path.relative_to(ROOT)), text, ast.parse(text))
        for path, text in texts
        if text.strip()
    )


PRODUCT = modules("services", "shared", "deploy", "cli")


def places(found: Iterator[tuple[Module, ast.AST]]) -> list[str]:
    """As `path:line`, for a message that can be clicked."""
    return [f"{module.path}:{getattr(node, 'lineno', 1)}" for module, node in found]
