"""What holds while a service runs, whatever service it is."""

import asyncio
import gc

import pytest

from shared.runtime.service import main
from shared.settings import LogSettings


def test_collections_leave_out_what_was_imported_while_a_service_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.runtime.service.configure", lambda *_, **__: None)
    frozen: list[int] = []

    async def run(_settings: LogSettings, _stop: asyncio.Event) -> None:
        frozen.append(gc.get_freeze_count())

    with pytest.raises(SystemExit) as left:
        main("test", LogSettings, run)

    assert left.value.code == 0
    assert frozen[0] > 10_000
    assert gc.get_freeze_count() == 0
