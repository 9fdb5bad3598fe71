"""Nothing secret comes out, whatever it is wrapped in."""

import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.security import secrets
from shared.security.secrets import (
    AccessToken,
    RefreshToken,
    is_secret_key,
    redact,
    redact_text,
)

CANARY = "cAnArY0123456789xyz"

SHAPES = (
    f"Atza|{CANARY}",
    f"Atzr|{CANARY}",
    f"Atza%7C{CANARY}",
    f"Bearer {CANARY}",
    f"Basic {CANARY}",
    f"eyJhbGciOi.{CANARY}.{CANARY}",
    f"amc_sk_{CANARY}",
    f"https://b.s3.test/x?X-Amz-Signature={CANARY}&a=1",
    f"https://b.s3.test/x?X-Amz-Credential={CANARY}%2F2025",
    f"postgresql://amcflow:{CANARY}@db.test/amcflow",
    f"amqp://u:p%40{CANARY}@mq.test/",
    f"amqp://u:p@{CANARY}@mq.test/",
    f"password={CANARY}",
    f"client_secret: {CANARY}",
    f'{{"refresh_token": "{CANARY}"}}',
    f'{{"clientSecret": "{CANARY}\\"{CANARY}"}}',
    f"{{'Authorization': 'Bearer {CANARY}'}}",
    f"ENCRYPTION_KEY={CANARY}",
)
SECRET_KEYS = (
    "password",
    "refresh_token",
    "clientSecret",
    "AMAZON_CLIENT_SECRET",
    "Authorization",
    "x-api-key",
    "set-cookie",
    "access_ciphertext",
    "DATABASE__DSN",
)


class Odd:
    def __init__(self, inside: object) -> None:
        self.inside = inside

    def __repr__(self) -> str:
        return f"Odd({self.inside!r})"


def as_error(inside: object) -> Exception:
    return ValueError("it broke", inside)


def secret_entry(key: str) -> Callable[[object], object]:
    return lambda inside: {key: inside}


WRAPPERS: tuple[Callable[[object], object], ...] = (
    lambda inside: [inside, 1],
    lambda inside: (None, inside),
    lambda inside: {"plain": inside, "n": 1.5},
    lambda inside: {str(inside): True},
    lambda inside: f"before {inside} after",
    repr,
    lambda inside: str(inside).encode(),
    lambda inside: json.dumps(str(inside)),
    as_error,
    Odd,
)

nested = st.recursive(
    st.sampled_from(SHAPES),
    lambda inner: st.builds(lambda wrap, inside: wrap(inside), st.sampled_from(WRAPPERS), inner),
    max_leaves=6,
)


@given(nested)
def test_no_canary_comes_out_of_any_nesting(value: object) -> None:
    assert CANARY not in str(redact(value))


@given(
    st.sampled_from(SECRET_KEYS),
    st.lists(st.sampled_from(WRAPPERS), max_size=4),
)
def test_what_stands_under_a_secret_name_is_hidden_whatever_it_looks_like(
    key: str, wrappers: list[Callable[[object], object]]
) -> None:
    inside: object = CANARY
    for wrap in wrappers:
        inside = wrap(inside)

    assert CANARY not in str(redact({"outer": [{key: inside}]}))


@given(st.text(), st.sampled_from(SHAPES), st.text())
def test_a_sentence_around_a_secret_does_not_hide_it_from_us(
    before: str, shape: str, after: str
) -> None:
    assert CANARY not in redact_text(f"{before} {shape} {after}")


@given(st.text(alphabet="abcdefghij \n.,()0123456789"))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


def test_harmless_values_keep_their_shape() -> None:
    value = {"rows": 3, "states": ["queued", None], "ok": True, "seconds": 0.5, "monkey": "x"}

    assert redact(value) == value


def test_a_value_that_contains_itself_ends() -> None:
    endless: list[object] = []
    endless.append(endless)

    assert "***" in str(redact(endless))


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_names_of_secrets_are_known_in_every_spelling(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize("key", ["monkey", "key_id", "tokens_refreshed", "credential_id", "author"])
def test_names_that_only_look_like_it_are_shown(key: str) -> None:
    assert not is_secret_key(key)


@pytest.mark.parametrize("kind", [AccessToken, RefreshToken])
def test_a_token_shows_itself_only_when_asked(kind: type[AccessToken | RefreshToken]) -> None:
    token = kind(CANARY)

    assert token.reveal() == CANARY
    assert CANARY not in f"{token} {token!r} {token!s} {token:>40} {[token]} {token.__class__}"
    assert CANARY not in str(redact({"a": token}))
    with pytest.raises(TypeError):
        json.dumps({"a": token})
    with pytest.raises(TypeError):
        pickle.dumps(token)
    with pytest.raises(TypeError):
        copy.copy(token)


@pytest.mark.parametrize("value", ["", "two words", "line\nbreak", "ä", "x" * 4097, "nul\x00"])
def test_what_could_break_a_header_is_no_token(value: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII") as caught:
        AccessToken(value)

    assert value == "" or value not in str(caught.value)


def test_tokens_are_equal_by_value_and_kind() -> None:
    assert AccessToken("a") == AccessToken("a")
    assert AccessToken("a") != AccessToken("b")
    assert AccessToken("a") != RefreshToken("a")
    assert len({AccessToken("a"), AccessToken("a")}) == 1


def test_a_token_knows_whether_its_time_is_over() -> None:
    now = datetime(2025, 6, 1, tzinfo=UTC)

    assert AccessToken("a", expires_at=now).is_expired(now)
    assert not AccessToken("a", expires_at=now + timedelta(seconds=1)).is_expired(now)
    assert not AccessToken("a").is_expired(now)


@given(
    st.lists(
        st.one_of(
            st.text(max_size=4),
            st.sampled_from(
                [
                    "Atza|",
                    "Atzr%7C",
                    "eyJ",
                    "EYJ",
                    "amc_sk_",
                    "AMC_SK_",
                    "X-Amz-Signature=",
                    "&",
                    "Bearer",
                    "basic",
                    "://",
                    "u:p@",
                    "password",
                    "token",
                    ":",
                    "=",
                    "dsn",
                    '"',
                ]
            ),
            st.sampled_from([" ", "\t", "\n"]),
            st.text("abcdefgh", min_size=4, max_size=8),
        ),
        max_size=8,
    ).map("".join)
)
def test_no_pattern_is_spared_a_text_that_it_would_change(text: str):
    searched = text
    for pattern in (*secrets._BY_VALUE, secrets._PAIR):
        searched = pattern.sub(rf"\g<keep>{secrets.STARS}", searched)

    assert redact_text(text) == searched
