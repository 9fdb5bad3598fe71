"""Our own bearer tokens."""

from hypothesis import given
from hypothesis import strategies as st

from shared.security.secrets import redact_text
from shared.security.service_tokens import (
    PREFIX,
    hash_service_token,
    matches_service_token,
    new_service_token,
)


def test_a_token_matches_its_own_hash_only() -> None:
    token, other = new_service_token(), new_service_token()

    assert matches_service_token(token, hash_service_token(token))
    assert not matches_service_token(other, hash_service_token(token))


def test_tokens_are_long_recognisable_and_kept_out_of_logs() -> None:
    token = new_service_token()

    assert token.startswith(PREFIX)
    assert len(token) == len(PREFIX) + 43
    assert token not in redact_text(f"who sent {token}?")


@given(st.text())
def test_any_text_can_be_tried(text: str) -> None:
    assert not matches_service_token(text, hash_service_token("amc_sk_mine"))
