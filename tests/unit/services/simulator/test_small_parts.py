"""Windows, directives, profiles, settings and the catalogue."""

import tempfile
from datetime import datetime
from pathlib import Path
from random import Random

import pytest
from pydantic import ValidationError

from services.simulator.__main__ import main
from services.simulator.bodies import ExecutionBody
from services.simulator.catalogue import data_sources
from services.simulator.distribution import Distribution
from services.simulator.settings import SimulatorSettings
from services.simulator.sql.directives import directives_of
from services.simulator.sql.source import CompileError
from services.simulator.windows import resolve_window

FRIDAY = datetime.fromisoformat("2026-11-20T13:00:00+00:00").timestamp()
FIRST = datetime.fromisoformat("2026-11-03T13:00:00+00:00").timestamp()

WINDOWS = [
    ("MOST_RECENT_DAY", FRIDAY, "2026-11-17T00:00:00", "2026-11-18T00:00:00"),
    ("MOST_RECENT_WEEK", FRIDAY, "2026-11-11T00:00:00", "2026-11-18T00:00:00"),
    ("CURRENT_MONTH", FRIDAY, "2026-11-01T00:00:00", "2026-11-18T00:00:00"),
    ("PREVIOUS_MONTH", FRIDAY, "2026-10-01T00:00:00", "2026-11-01T00:00:00"),
    ("CURRENT_MONTH", FIRST, "2026-10-31T00:00:00", "2026-11-01T00:00:00"),
]


@pytest.mark.parametrize(("kind", "now", "start", "end"), WINDOWS)
def test_named_windows_end_where_data_are_complete(kind, now, start, end):
    window = resolve_window(ExecutionBody.model_validate({"timeWindowType": kind}), now)

    assert (window.start_original, window.end_original) == (start, end)


def test_a_zone_moves_the_edges_of_the_day():
    body = {"timeWindowType": "MOST_RECENT_DAY", "timeWindowTimeZone": "Asia/Tokyo"}

    window = resolve_window(ExecutionBody.model_validate(body), FRIDAY)

    assert window.end_original == "2026-11-18T00:00:00"
    assert window.end_utc == "2026-11-17T15:00:00Z"


def test_directives_are_read_from_both_kinds_of_comment():
    found = directives_of(
        'SELECT 1 -- simulator: fail "a, b"\n/* simulator: rows 12 */ -- simulator: duration 3'
    )

    assert (found.fail, found.rows, found.duration) == ("a, b", 12, 3)


@pytest.mark.parametrize("text", ["explode", "rows", "rows -1", "rows many", "parts 6", "parts 0"])
def test_a_wrong_directive_is_a_compile_error(text):
    with pytest.raises(CompileError):
        directives_of(f"SELECT 1 -- simulator: {text}")


@pytest.mark.parametrize(
    "text", ["fixed", "fixed:x", "fixed:-1", "uniform:5:1", "normal:1:2", "fixed:nan", ""]
)
def test_a_wrong_profile_is_refused(text):
    with pytest.raises(ValueError):
        Distribution.parse(text)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("fixed:60", 60, 60), ("uniform:60:180", 60, 180), ("lognormal:60:2:90", 0, 90)],
)
def test_profiles_draw_within_their_bounds(text, low, high):
    profile, rng = Distribution.parse(text), Random(1)

    assert all(low <= profile.draw(rng) <= high for _ in range(200))


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("AMCFLOW_SIMULATOR_TIME_SCALE", "60")
    monkeypatch.setenv("AMCFLOW_SIMULATOR_REFRESH_TOKENS", "Atzr|sim-a, Atzr|sim-b")

    settings = SimulatorSettings()

    assert settings.time_scale == 60
    assert settings.refresh_tokens == ("Atzr|sim-a", "Atzr|sim-b")


def test_invented_data_are_kept_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert SimulatorSettings().data_folder == tmp_path / "amcflow-simulator"


def test_without_a_home_to_write_to_data_are_kept_with_temporary_files(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")

    found = SimulatorSettings().data_folder
    assert found == Path(tempfile.gettempdir()) / "amcflow-simulator"


def test_a_zero_time_scale_is_refused():
    with pytest.raises(ValidationError):
        SimulatorSettings(time_scale=0)


def test_check_validates_and_ends(tmp_path: Path, capsys):
    broken = tmp_path / "world.json"
    broken.write_text('{"instances": [{"instanceId": "a", "accountId": "b"}]}')

    assert main(["--check"]) == 0
    assert main(["--check", "--world", str(broken)]) == 2
    assert main(["--check", "--world", str(tmp_path / "missing.json")]) == 2
    assert main(["--check", "--duration-profile", "often"]) == 2
    assert all(line.startswith("simulator: ") for line in capsys.readouterr().err.splitlines())


def test_tables_that_share_columns_have_them():
    video = data_sources()["dsp_video_events_feed"].columns

    assert {"user_id", "campaign", "video_start"} <= video.keys()
    assert {"user_id", "behavior_segment_id"} <= (
        data_sources()["dsp_impressions_by_user_segments"].columns.keys()
    )


def test_types_and_thresholds_of_the_catalogue_are_of_one_spelling():
    columns = [c for s in data_sources().values() for c in s.columns.values()]

    assert {c.data_type.partition("(")[0].partition("<")[0] for c in columns} == {
        *("STRING", "LONG", "INTEGER", "DECIMAL", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP"),
        "ARRAY",
    }
    assert {c.threshold for c in columns} == {
        *("NONE", "LOW", "MEDIUM", "HIGH", "VERY_HIGH", "INTERNAL")
    }
    assert {c.column_type for c in columns} == {"DIMENSION", "METRIC"}
