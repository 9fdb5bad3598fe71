"""Times that must agree: what contradicts itself does not start, and says why."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from deploy.local.paths import PROJECT
from services.poller.settings import PollerSettings
from services.submitter.settings import SubmitterSettings
from shared.runtime.amc import AmcWorkerSettings

GIVEN = {
    "DATABASE_URL": "postgresql://user@host/name",
    "AMQP_URL": "amqp://host",
    "ENCRYPTION_KEY": "a key",
}
SHORT = {
    "AMCFLOW_HTTP_TIMEOUT_SECONDS": "3",
    "AMCFLOW_LEASE_SECONDS": "6",
    "AMCFLOW_SETTLE_SECONDS": "6",
    "AMCFLOW_GATEWAY_HOLD_SECONDS": "1",
    "AMCFLOW_LIST_LAG_SECONDS": "2",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (GIVEN | SHORT).items():
        monkeypatch.setenv(name, value)


def test_times_that_agree_are_taken() -> None:
    assert SubmitterSettings().settle_time.total_seconds() == 6


def test_the_defaults_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SHORT:
        monkeypatch.delenv(name)

    settings = AmcWorkerSettings()

    needed = settings.http_timeout + settings.gateway_hold + settings.list_lag
    assert settings.settle_time >= needed
    assert settings.settle_time >= settings.lease > settings.http_timeout


@pytest.mark.parametrize(
    ("name", "seconds", "told"),
    [
        ("AMCFLOW_LEASE_SECONDS", "3.9", "AMCFLOW_LEASE_SECONDS (3.9) must exceed"),
        ("AMCFLOW_HTTP_TIMEOUT_SECONDS", "5.5", "AMCFLOW_HTTP_TIMEOUT_SECONDS (5.5) by a second"),
        ("AMCFLOW_LEASE_SECONDS", "7", "shorter than AMCFLOW_LEASE_SECONDS (7)"),
        ("AMCFLOW_SETTLE_SECONDS", "5", "shorter than AMCFLOW_LEASE_SECONDS (6)"),
        ("AMCFLOW_GATEWAY_HOLD_SECONDS", "1.5", "AMCFLOW_LIST_LAG_SECONDS (6.5)"),
        ("AMCFLOW_LIST_LAG_SECONDS", "2.5", "AMCFLOW_LIST_LAG_SECONDS (6.5)"),
        ("AMCFLOW_SHUTDOWN_GRACE_SECONDS", "3", "AMCFLOW_SHUTDOWN_GRACE_SECONDS must exceed"),
    ],
)
def test_times_that_contradict_each_other_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, seconds: str, told: str
) -> None:
    monkeypatch.setenv(name, seconds)

    with pytest.raises(ValidationError) as refused:
        AmcWorkerSettings()

    assert told in str(refused.value)


def test_looks_cannot_be_rarer_than_rarest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMCFLOW_POLL_LONGEST_SECONDS", "1")

    with pytest.raises(ValidationError, match="AMCFLOW_POLL_LONGEST_SECONDS must not be shorter"):
        PollerSettings()


def test_a_service_says_it_in_one_line_and_does_not_start() -> None:
    environment = {**GIVEN, **SHORT, "AMCFLOW_SETTLE_SECONDS": "5.9"}

    started = subprocess.run(
        [sys.executable, "-m", "services.submitter", "--check"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert started.returncode == 2
    (line,) = started.stderr.splitlines()
    assert line.startswith("submitter: settings: Value error, AMCFLOW_SETTLE_SECONDS (5.9) must")
