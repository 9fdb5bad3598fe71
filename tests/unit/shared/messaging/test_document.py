"""The page in docs is what the models say."""

from pathlib import Path

import pytest

from shared.messaging import document
from shared.messaging.messages import COMMANDS, EVENTS, INTAKE


def test_the_page_is_up_to_date() -> None:
    assert document.main(["--check"]) == 0


def test_a_page_that_differs_is_told_and_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "messages.md"
    old.write_text("old")
    monkeypatch.setattr(document, "PAGE", old)

    assert document.main(["--check"]) == 1
    assert old.read_text() == "old"
    assert "run python -m shared.messaging.document" in capsys.readouterr().err


def test_every_message_is_on_the_page() -> None:
    page = document.page()

    for model in (*COMMANDS, *EVENTS, *INTAKE):
        assert f"### `{model.TYPE}`" in page
