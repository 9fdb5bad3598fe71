"""Data files: made once, kept while there is room, left to whoever uses them."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from services.simulator.duck.folder import DataFolder, DataUnavailableError
from services.simulator.duck.generator import generate
from services.simulator.duck.locks import FileLock
from services.simulator.duck.plan import DataPlan
from services.simulator.duck.runner import Job, Runner
from services.simulator.duck.store import Store
from services.simulator.duck.thresholds import Privacy
from services.simulator.results.file import ResultFile
from tests.unit.services.simulator.duck.conftest import FACTS
from tests.unit.services.simulator.duck.conftest import PLAN as MADE

PLAN = DataPlan(7, "amcsimnwus1", 50, 20_670, 20_690)
OTHER = replace(PLAN, seed=8)
SMALL = """
import pathlib, sys
path = pathlib.Path(sys.argv[2])
with (path.parent / "made.txt").open("a") as made:
    made.write(path.name + "\\n")
path.write_bytes(b"x" * 600_000)
"""
WAITING = """
import pathlib, sys, time
path = pathlib.Path(sys.argv[2])
(path.parent / (path.stem + ".1.partial")).write_text("half")
(path.parent / "begun").touch()
while not (path.parent / "go").exists():
    time.sleep(0.01)
path.touch()
"""


def folder(path: Path, script: str = SMALL, megabytes: int = 100) -> DataFolder:
    return DataFolder(path, megabytes, command=(sys.executable, "-c", script))


def test_a_file_asked_for_by_many_at_once_is_made_once(tmp_path):
    folders = [folder(tmp_path) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda n: folders[n % 2].lease(PLAN), range(8)))

    assert {lease.path for lease in leases} == {tmp_path / PLAN.file_name}
    assert (tmp_path / "made.txt").read_text().split() == [PLAN.file_name]


def test_others_go_on_while_a_file_is_made(tmp_path):
    folder(tmp_path).lease(OTHER).lock.release()
    slow = folder(tmp_path, WAITING)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(slow.lease, PLAN)
        assert slow.lease(OTHER).path.exists()
        assert not waiting.done()
        (tmp_path / "go").touch()
        assert waiting.result(timeout=30).path.exists()


def test_what_could_not_be_made_is_tried_again(tmp_path):
    failing = folder(tmp_path, "import sys; sys.exit('no room\\nleft on the disk')")
    with pytest.raises(DataUnavailableError, match="no data could be made: left on the disk"):
        failing.lease(PLAN)
    failing.command = (sys.executable, "-c", SMALL)

    assert failing.lease(PLAN).path.exists()


def test_the_reason_names_no_path_of_this_machine(tmp_path):
    with pytest.raises(DataUnavailableError, match=r"full: the data folder/amc-\w+\.duckdb$"):
        folder(tmp_path, "import sys; sys.exit('full: ' + sys.argv[2])").lease(PLAN)


def test_a_generator_that_says_nothing_is_named_by_its_exit_code(tmp_path):
    with pytest.raises(DataUnavailableError, match="exit code 9"):
        folder(tmp_path, "import os; os._exit(9)").lease(PLAN)


def test_stopping_ends_what_is_being_made_and_leaves_nothing(tmp_path):
    stopped = folder(tmp_path, WAITING)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(stopped.lease, PLAN) for _ in range(2)]
        while not (tmp_path / "begun").exists():
            Event().wait(0.01)
        stopped.stop()
        for one in waiting:
            with pytest.raises(DataUnavailableError):
                one.result(timeout=30)

    assert not list(tmp_path.glob("*.partial"))
    with pytest.raises(DataUnavailableError, match="stopping"):
        stopped.lease(PLAN)


def test_the_least_used_goes_when_there_is_too_much(tmp_path):
    kept = folder(tmp_path, megabytes=2)
    plans = [replace(PLAN, seed=seed) for seed in range(4)]
    for age, plan in enumerate(plans[:3]):
        lease = kept.lease(plan)
        lease.lock.release()
        os.utime(lease.path, (age, age))
    kept.lease(plans[0]).lock.release()
    kept.lease(plans[3]).lock.release()

    assert {plan.seed for plan in plans if (tmp_path / plan.file_name).exists()} == {0, 2, 3}


def test_a_file_in_use_by_another_process_stays(tmp_path):
    used = folder(tmp_path).lease(PLAN)
    used.lock.release()
    reader = f"""
import sys
from pathlib import Path
from services.simulator.duck.locks import FileLock
print(FileLock(Path({str(used.lock.path)!r})).take(shared=True), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", reader], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "True\n"
        folder(tmp_path, megabytes=0).tidy()
        assert used.path.exists()
        process.stdin.close()
    folder(tmp_path, megabytes=0).tidy()

    assert not used.path.exists()
    assert not list(tmp_path.glob("*.lock"))


def test_what_the_dead_left_is_swept_and_what_the_living_make_is_not(tmp_path):
    dead, alive = tmp_path / "amc-dead.lock", tmp_path / "amc-alive.lock"
    spill = tmp_path / "spill-1"
    spill.mkdir()
    for path in (dead, alive, spill.with_suffix(".lock")):
        path.touch()
    for name in ("amc-dead.1.partial", "amc-dead.1.partial.wal", "amc-alive.2.partial"):
        (tmp_path / name).touch()
    assert FileLock(alive).take(shared=False)
    folder(tmp_path).tidy()

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "amc-alive.2.partial",
        "amc-alive.lock",
    ]


def test_a_folder_of_a_process_that_was_killed_goes_with_the_next_one(tmp_path):
    code = f"""
import os, pathlib
from services.simulator.duck.executions import Folders, build_sql_runs
runs = build_sql_runs(Folders(pathlib.Path({str(tmp_path)!r}), None), seed=7, users=10,
                      memory_megabytes=60)
(runs.results / "a.csv").touch()
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.glob("results-*/")
    with folder(tmp_path).temporary("results") as own:
        folder(tmp_path).tidy()
        found = list(tmp_path.glob("results-*/"))

    assert left != own
    assert found == [own]
    assert not list(tmp_path.iterdir())


def test_a_generator_ends_when_whoever_asked_is_gone(tmp_path):
    nobody = 1
    with pytest.raises(SystemExit, match="gone"):
        generate(PLAN, tmp_path / PLAN.file_name, asker=nobody)

    assert not (tmp_path / PLAN.file_name).exists()


def test_a_lock_on_a_file_that_was_removed_is_none(tmp_path):
    first, second = FileLock(tmp_path / "a.lock"), FileLock(tmp_path / "a.lock")
    assert first.take(shared=False)
    assert not second.take(shared=True)
    first.remove()

    assert second.take(shared=True)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path, memory_megabytes=60)
    yield opened
    opened.close()


def test_a_store_lets_idle_files_go_and_keeps_what_is_asked(store, data_file, tmp_path):
    plans = [replace(PLAN, seed=seed) for seed in range(5)]
    for plan in plans:
        shutil.copy(data_file, tmp_path / plan.file_name)
    with store.cursor(plans[0]) as busy:
        for plan in plans[1:]:
            with store.cursor(plan) as cursor:
                assert cursor.execute("SELECT count(*) > 0 FROM shown").fetchall() == [(True,)]
        assert busy.execute("SELECT count(*) > 0 FROM shown").fetchall() == [(True,)]
        held = [plan for plan in plans if not _can_be_taken(tmp_path / plan.file_name)]

    assert len(held) == 3
    assert plans[0] in held
    assert len(list(tmp_path.glob("spill-*/"))) == 3


def test_a_closed_store_leaves_files_and_nothing_else(tmp_path):
    store = Store(tmp_path, memory_megabytes=60)
    with store.cursor(PLAN) as cursor:
        cursor.execute("SELECT 1")
    store.close()

    assert {path.suffix for path in tmp_path.iterdir()} == {".duckdb", ".lock"}
    assert _can_be_taken(tmp_path / PLAN.file_name)


def test_queries_go_on_while_more_data_are_made_than_there_are_workers(store, data_file, tmp_path):
    runner = Runner(store, tmp_path / "results")
    shutil.copy(data_file, tmp_path)
    store.folder.command = (sys.executable, "-c", WAITING)
    sql = "SELECT COUNT(*) AS n FROM dsp_clicks"
    held = [
        runner.start(Job(f"held{n}", sql, FACTS, Privacy(), replace(MADE, seed=90 + n)))
        for n in range(5)
    ]
    other = runner.start(Job("other", sql, FACTS, Privacy(), MADE)).outcome
    assert isinstance(other, ResultFile)
    assert not any(run.is_done for run in held)

    # Closing does not wait for what is being made.
    runner.close()
    assert all("The query could not be run" in str(run.outcome) for run in held)


def _can_be_taken(path: Path) -> bool:
    lock = FileLock(path.with_suffix(".lock"))
    taken = lock.take(shared=False)
    lock.release()
    return taken
