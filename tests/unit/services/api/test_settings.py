"""The API's settings, and what its process cannot do."""

import pytest
from pydantic import ValidationError

from services.api.server import AddressTaken, listen
from services.api.settings import ApiSettings
from shared.security.sealing import SealingPublicKey, new_sealing_pair

GIVEN = {
    "DATABASE_URL": "postgresql://u@h/d",
    "AMQP_URL": "amqp://h/",
    "SEALING_PUBLIC_KEY": "amcseal-pub-x",
}


@pytest.mark.parametrize("name", list(GIVEN))
def test_what_has_no_default_must_be_given(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(name, raising=False)

    with pytest.raises(ValidationError, match=name):
        ApiSettings.model_validate({other: GIVEN[other] for other in GIVEN if other != name})


def test_defaults_become_the_default_window():
    settings = ApiSettings.model_validate({**GIVEN, "AMCFLOW_WINDOW_DAYS": 3})

    assert settings.defaults().window.days == 3
    assert settings.defaults().deadline_seconds == 21_600


def test_a_private_key_is_not_taken_for_the_public_one():
    with pytest.raises(ValueError, match="SEALING_PUBLIC_KEY"):
        SealingPublicKey(new_sealing_pair().private, setting="SEALING_PUBLIC_KEY")


def test_an_address_in_use_is_one_clear_error():
    with listen("127.0.0.1", 0) as first, pytest.raises(AddressTaken, match="Cannot listen"):
        listen("127.0.0.1", first.getsockname()[1])
