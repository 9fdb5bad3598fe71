"""Runs beside the loop: files, stopping, isolation, the same answer twice."""

import shutil
from dataclasses import replace

import duckdb
import pytest

from services.simulator.duck.generator import generate
from services.simulator.duck.plan import DataPlan
from services.simulator.duck.runner import Job, Runner
from services.simulator.duck.store import Store
from services.simulator.duck.thresholds import Privacy
from services.simulator.results.file import ResultFile
from tests.unit.services.simulator.duck.conftest import FACTS, PLAN

SQL = """SELECT campaign, SUM(total_cost) AS c, AVG(impression_cost) AS a
         FROM dsp_impressions GROUP BY 1"""
ENDLESS = """SELECT a.campaign, COUNT(*) AS n FROM dsp_impressions a, dsp_impressions b,
             dsp_impressions c WHERE a.creative <> c.creative GROUP BY 1"""


@pytest.fixture
def store(data_file, tmp_path):
    # A file of its own: in one process DuckDB opens a file with one configuration only.
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(data_file, folder)
    opened = Store(folder, memory_megabytes=200)
    yield opened
    opened.close()


@pytest.fixture
def runner(store, tmp_path):
    running = Runner(store, tmp_path, timeout_seconds=30)
    yield running
    running.close()


def job(name: str, sql: str = SQL) -> Job:
    return Job(name, sql, FACTS, Privacy(), PLAN)


def test_two_runs_of_a_query_write_the_same_bytes(runner):
    one, other = (runner.start(job(name)).outcome for name in ("one", "other"))

    assert one.path.read_bytes() == other.path.read_bytes()
    assert one.rows == 18


def test_a_run_can_be_stopped(runner):
    run = runner.start(job("endless", ENDLESS))
    quick = runner.start(job("quick"))
    assert isinstance(quick.outcome, ResultFile)

    run.stop()
    assert run.outcome == "The query was stopped."


def test_a_run_that_waits_can_be_stopped(runner):
    waiting = [runner.start(job(f"endless{n}", ENDLESS)) for n in range(3)]
    for run in reversed(waiting):
        run.stop()

    assert {run.outcome for run in waiting} <= {"The query was stopped."}


def test_a_query_that_takes_too_long_is_stopped(store, tmp_path):
    runner = Runner(store, tmp_path, timeout_seconds=0.3)

    assert runner.start(job("endless", ENDLESS)).outcome == "The query was stopped."
    runner.close()


def test_chance_is_the_same_at_every_run(runner):
    sql = """SELECT campaign, COUNT(*) AS n, MIN(UUID()) AS u, SUM(RANDOM()) AS r
             FROM dsp_impressions GROUP BY 1"""
    one, other = (runner.start(job(name, sql)).outcome for name in ("one", "other"))
    another = runner.start(job("another", sql + " HAVING COUNT(*) > 0")).outcome

    assert one.path.read_bytes() == other.path.read_bytes()
    assert one.path.read_bytes() != another.path.read_bytes()


def test_the_end_answers_what_still_stood_in_line(store, tmp_path):
    runner = Runner(store, tmp_path)
    runs = [runner.start(job(f"endless{n}", ENDLESS)) for n in range(40)]
    for run in runs:
        run.stop()
    runner.close()

    assert all(run.is_done for run in runs)
    assert {run.outcome for run in runs} == {"The query was stopped."}


def test_a_bad_query_is_an_answer(runner):
    assert "not found" in runner.start(job("bad", "SELECT COUNT(nope) FROM dsp_clicks")).outcome


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/hosts')",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "ATTACH '/tmp/other.duckdb'",
        "SET memory_limit = '8GB'",
        "INSTALL httpfs",
        "CREATE TABLE x AS SELECT 1",
    ],
)
def test_a_cursor_reads_its_own_file_and_nothing_else(store, sql):
    with store.cursor(PLAN) as cursor, pytest.raises(duckdb.Error):
        cursor.execute(sql).fetchall()


def test_a_day_is_the_same_whatever_period_is_asked_for(tmp_path):
    plans = [DataPlan(7, "amcsimthde1", 200, first, 20_690) for first in (20_670, 20_685)]
    days = []
    for plan in plans:
        path = tmp_path / plan.file_name
        generate(plan, path)
        with duckdb.connect(str(path), read_only=True) as opened:
            days.append(
                [
                    opened.execute(
                        f"""SELECT * EXCLUDE (key) FROM {table}
                            WHERE ts >= TIMESTAMP '2026-08-23' ORDER BY ALL"""
                    ).fetchall()
                    for table in ("shown", "clicked", "sponsored", "converted", "credited")
                ]
            )

    assert days[0] == days[1]
    assert all(days[0])


def test_instances_and_seeds_have_data_of_their_own():
    others = [replace(PLAN, seed=8), replace(PLAN, instance_id="x"), replace(PLAN, users=9)]

    assert len({plan.file_name for plan in [PLAN, *others]}) == 4
