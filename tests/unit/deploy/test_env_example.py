"""`.env.example` names every setting there is, no other, and tells the truth about defaults."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from deploy.keys import fresh_environment
from deploy.local.paths import PROJECT
from tests.unit.deploy.service_settings import is_secret, settings_of_services, variables

LINE = re.compile(r"^(#?)([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
EXAMPLE = (PROJECT / ".env.example").read_text()
VALUES = {name: value for _, name, value in LINE.findall(EXAMPLE)}
ACTIVE = {name for mark, name, _ in LINE.findall(EXAMPLE) if not mark}

MODELS = settings_of_services()
FIELDS = {name: field for model in MODELS.values() for name, field in variables(model).items()}
READ_BY_COMPOSE_ALONE = {"POSTGRES_PASSWORD", "RABBITMQ_PASSWORD"}
GIVEN = {
    "DATABASE_URL": "postgresql://user@host/name",
    "AMQP_URL": "amqp://host",
    **{name: "a key" for name in FIELDS if name.endswith("_KEY")},
}


def test_it_names_every_setting_of_every_service_and_no_other() -> None:
    assert set(VALUES) == set(FIELDS) | READ_BY_COMPOSE_ALONE


def test_each_name_stands_there_once() -> None:
    assert len(LINE.findall(EXAMPLE)) == len(VALUES)


def test_what_has_no_default_is_active_and_all_else_a_comment() -> None:
    required = {name for name, field in FIELDS.items() if field.is_required()}

    assert required | READ_BY_COMPOSE_ALONE == ACTIVE


def test_no_secret_has_a_value() -> None:
    secrets = {name for name, field in FIELDS.items() if is_secret(field)}

    assert {name: VALUES[name] for name in secrets | READ_BY_COMPOSE_ALONE if VALUES[name]} == {}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_the_values_shown_are_the_defaults(
    model: type[BaseSettings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in VALUES:
        monkeypatch.delenv(name, raising=False)
    for name in variables(model).keys() & GIVEN.keys():
        monkeypatch.setenv(name, GIVEN[name])
    by_default = model()

    for name in variables(model):
        if VALUES[name]:
            monkeypatch.setenv(name, VALUES[name])

    assert model() == by_default


def test_the_maker_of_keys_fills_variables_that_stand_here() -> None:
    assert set(fresh_environment()) <= set(VALUES)


def test_the_maker_of_keys_makes_other_secrets_each_time() -> None:
    first, second = fresh_environment(), fresh_environment()

    same = {name for name, value in first.items() if second[name] == value}
    assert same == {"AMAZON_CLIENT_ID", "AMAZON_CLIENT_SECRET"}
