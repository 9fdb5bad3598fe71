"""After everything that happened in this session, no secret is anywhere it could be read."""

import re
from pathlib import Path

import pytest

from deploy.local.stack import RunningStack
from tests.e2e.conftest import LOGS
from tests.e2e.house import House

LISTS = ("credentials", "accounts", "instances", "workflows", "executions", "stats", "openapi.json")


@pytest.fixture(scope="module")
def canaries(stack: RunningStack) -> re.Pattern[str]:
    """Tokens by how they begin, keys and secrets as they are; each also as Postgres shows bytes."""
    secrets = stack.secrets
    texts = [
        "Atza|",
        "Atzr|sim-",
        secrets.access_token_key,
        secrets.refresh_token_key,
        secrets.sealing_private_key,
        secrets.client_secret,
        secrets.service_token,
    ]
    shown = [*texts, *(text.encode().hex() for text in texts)]
    return re.compile("|".join(re.escape(text) for text in shown))


def found_in(text: str, canaries: re.Pattern[str]) -> list[str]:
    """What surrounds each one."""
    return [text[max(0, it.start() - 80) : it.end() + 20] for it in canaries.finditer(text)]


def test_no_log_tells_a_secret(house: House, canaries: re.Pattern[str], stack_folder: Path):
    logs = [*LOGS.glob("*.log"), *stack_folder.rglob("*.log")]

    told = {log.name: found_in(log.read_text(errors="replace"), canaries) for log in logs}

    assert len(logs) >= 9
    assert {name: found for name, found in told.items() if found} == {}


def test_no_table_holds_a_secret_in_the_clear(house: House, canaries: re.Pattern[str]):
    tables = house.sql(
        "select format('%I.%I', schemaname, tablename) as name from pg_tables"
        " where schemaname not in ('pg_catalog', 'information_schema')"
    )

    held = {
        name: found_in("\n".join(row["row"] for row in house.sql(every_row_of(name))), canaries)
        for name in (table["name"] for table in tables)
    }

    assert len(held) > 20
    assert {name: found for name, found in held.items() if found} == {}


def every_row_of(table: str) -> str:
    return f"select t::text as row from {table} t"


@pytest.mark.parametrize("path", LISTS)
def test_no_answer_shows_a_secret(house: House, canaries: re.Pattern[str], path: str):
    answer = house.http.get(path)

    assert answer.is_success
    assert found_in(answer.text, canaries) == []


def test_no_metric_and_no_command_line_shows_a_secret(house: House, canaries: re.Pattern[str]):
    pids = [pid for each in house.stack.supervisor.pids().values() for pid in each]
    ports = [port for pid in pids if (port := metrics_port_of(pid)) is not None]
    addresses = [house.stack.api_url, *(f"http://127.0.0.1:{port}" for port in ports)]

    metrics = [house.simulator.http.get(f"{url}/metrics").text for url in addresses]
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids]

    assert len(metrics) == 11
    assert all("amcflow" in text for text in metrics)
    assert found_in("\n".join([*metrics, *commands]), canaries) == []


def metrics_port_of(pid: int) -> str | None:
    """As it was told in its environment."""
    environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
    told = dict(line.split("=", 1) for line in environment if "=" in line)
    return told.get("AMCFLOW_METRICS_PORT")
