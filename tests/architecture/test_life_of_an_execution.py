"""The page that follows one execution names stop points and tests that there are."""

import ast
import re

from deploy.local.paths import PROJECT
from shared.observability.stop_points import StopPoint
from tests.architecture.source import modules

PAGE = (PROJECT / "docs/life-of-an-execution.md").read_text()
QUOTED = re.findall(r"`([^`\n]+)`", PAGE)
STEPS = re.split(r"\n(?=\d+\. \*\*)", PAGE)[1:]


def all_tests() -> set[str]:
    return {
        node.name
        for module in modules("tests")
        for node in module.nodes()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


def test_every_test_it_names_is_there() -> None:
    named = {text for text in QUOTED if re.fullmatch(r"test_\w+", text)}

    assert named
    assert named - all_tests() == set()


def test_it_names_every_stop_point_and_no_other() -> None:
    rooms = {point.value.partition(".")[0] for point in StopPoint}
    named = {
        text
        for text in QUOTED
        if re.fullmatch(r"[a-z_]+\.[a-z_]+", text) and text.partition(".")[0] in rooms
    }

    assert named == set(StopPoint)


def test_after_every_step_it_says_what_is_on_disk_where_it_stops_and_who_proves_it() -> None:
    assert 9 <= len(STEPS) <= 11
    for step in STEPS:
        for word in (r"\*Power fails", r"\*Stop points?:\*", r"\*Tests?:\*"):
            assert re.search(word, step), f"{word} is missing in: {step[:60]}"
