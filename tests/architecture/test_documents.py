"""The documents say what the code does, where that can be compared."""

import re
import tomllib
from pathlib import Path

import pytest

from deploy.local.paths import PROJECT
from shared.domain.states import FINAL, TRANSITIONS
from shared.messaging.topology import Topology
from tests.unit.deploy.service_settings import is_secret, settings_of_services, variables

ARCHITECTURE = (PROJECT / "docs/architecture.md").read_text()
MIGRATIONS = "".join(
    path.read_text() for path in (PROJECT / "shared/db/migrations/versions").glob("*.py")
)
DOCUMENTS = sorted(
    path
    for path in (*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"))
    if path.name != "messages.md"
)
ADRS = sorted((PROJECT / "docs/adr").glob("*.md"))


def section(title: str) -> str:
    return ARCHITECTURE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(table: str) -> list[list[str]]:
    """The cells of a table's body, without backticks."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_diagram_shows_exactly_the_moves_that_are_allowed() -> None:
    arrows = set(re.findall(r"^  (\S+) --> ([a-z*\[\]]+)", section("States"), re.MULTILINE))

    allowed = {(str(old), str(new)) for old, moves in TRANSITIONS.items() for new in moves}
    ends = {("[*]", "queued"), *((str(state), "[*]") for state in FINAL)}
    assert arrows == allowed | ends


def test_every_arrow_of_the_diagram_is_explained() -> None:
    drawn = set(re.findall(r"-->.*: ([a-z])$", section("States"), re.MULTILINE))

    assert [row[0] for row in rows(section("States"))] == sorted(drawn)


def test_the_table_of_queues_is_the_topology() -> None:
    topology = Topology()

    assert [row[:4] for row in rows(section("Queues"))] == [
        [queue.name, queue.exchange or "default", queue.routing_key, queue.dead]
        for queue in topology.work_queues
    ]
    for exchange in topology.exchanges[:2]:
        assert f"`{exchange.name}`" in section("Queues")


def test_the_table_of_secrets_is_what_the_settings_ask_for() -> None:
    held: dict[str, set[str]] = {}
    for service, model in settings_of_services().items():
        for name, field in variables(model).items():
            if is_secret(field):
                held.setdefault(name, set()).add(service)

    told = {row[0]: set(row[2].split(", ")) for row in rows(section("Who holds which secret"))}
    assert told == held


def test_every_service_is_described() -> None:
    assert {row[0] for row in rows(section("Parts"))} == set(settings_of_services())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    quoted = re.findall(r"`([^`\n]+)`", document.read_text())

    paths = [
        text
        for text in quoted
        if re.fullmatch(r"(?:services|shared|deploy|docs|tests)/[\w./-]*[\w/]", text)
    ]
    assert [path for path in paths if not (PROJECT / path).exists()] == []
    functions = [text for text in quoted if re.fullmatch(r"[a-z_]+_v\d+", text)]
    assert [name for name in functions if f"create function {name}(" not in MIGRATIONS] == []


@pytest.mark.parametrize("record", ADRS, ids=lambda path: path.stem)
def test_a_decision_record_is_short_and_can_be_quoted(record: Path) -> None:
    text = record.read_text()

    number = int(record.name[:4])
    assert re.match(rf"# {number}\. \S", text)
    for part in ("Context", "Decision", "Consequences"):
        assert f"\n## {part}\n" in text or f"\n**{part}.** " in text
    assert 200 <= len(text.split()) <= 450


def test_numbers_of_decision_records_are_used_once() -> None:
    numbers = [path.name[:4] for path in ADRS]

    assert len(set(numbers)) == len(numbers)


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    wanted = {
        re.split(r"[\[<>=]", requirement)[0]
        for requirement in (
            *project["project"]["dependencies"],
            *project["project"]["optional-dependencies"]["simulator"],
            *groups["local"],
            *groups["dev"],
            *groups["bench"],
        )
    }

    reasons = (PROJECT / "docs/adr/0009-dependencies.md").read_text().partition("## Decision")[2]
    lines = re.findall(r"^\* (`.*?`): ", reasons, re.MULTILINE)
    told = {name for line in lines for name in re.findall(r"`([^`]+)`", line)}
    assert told == wanted
