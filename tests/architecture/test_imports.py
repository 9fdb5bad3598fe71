"""The layers of the design hold: who may import whom, and which library lives where."""

import pytest
from importlinter import cli

from tests.architecture.source import ROOT


def test_every_import_contract_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)

    assert outcome == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out
