"""`make setup`: which interpreter, and when there is nothing to do."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.paths import PROJECT

TOOLS = ("sh", "dirname", "sha256sum", "cut", "cat", "rm", "grep")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    script = tmp_path / "deploy/bin/setup"
    script.parent.mkdir(parents=True)
    shutil.copy(PROJECT / "deploy/bin/setup", script)
    (tmp_path / "requirements.lock").write_text("")
    for tool in TOOLS:
        (tmp_path / "tools").mkdir(exist_ok=True)
        (tmp_path / "tools" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def _setup(project: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [project / "deploy/bin/setup"],
        env={"PATH": str(project / "tools"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_python_is_one_sentence(project: Path) -> None:
    done = _setup(project)

    assert done.returncode == 1
    sentence = "setup: no Python 3.11, 3.12 or 3.13 with venv found: install one"
    assert done.stderr.startswith(sentence)


def test_a_wrong_choice_of_python_is_named(project: Path) -> None:
    done = _setup(project, PYTHON="/nowhere/python")

    assert done.returncode == 1
    assert done.stderr == "setup: PYTHON=/nowhere/python is not a Python 3.11, 3.12 or 3.13.\n"


def test_an_unchanged_lock_file_installs_nothing(project: Path) -> None:
    binaries = project / ".venv/bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(sys.executable)
    (project / ".venv/.installed").write_text(hashlib.sha256(b"").hexdigest())

    done = _setup(project, HOME=os.environ.get("HOME", "/"))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
