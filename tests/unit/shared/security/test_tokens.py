"""Sealed tokens: open for their own row and key, refused for every other."""

import base64
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import CredentialId
from shared.security.keys import new_fernet_key, new_stack_keys
from shared.security.sealing import SealingPrivateKey, SealingPublicKey, new_sealing_pair
from shared.security.tokens import (
    MalformedKeyError,
    SealedTokenUnreadable,
    TokenContext,
    TokenKind,
    TokenVault,
)

OLD_KEY, NEW_KEY = new_fernet_key(), new_fernet_key()
MINE = TokenContext(CredentialId(UUID(int=1)), TokenKind.REFRESH)
OTHERS = (
    TokenContext(CredentialId(UUID(int=2)), TokenKind.REFRESH),
    TokenContext(CredentialId(UUID(int=1)), TokenKind.ACCESS),
)
PAIR = new_sealing_pair()


def make_vault(*keys: str) -> TokenVault:
    return TokenVault(keys or (NEW_KEY,), setting="ENCRYPTION_KEY")


@given(st.text(max_size=200))
def test_what_was_sealed_opens_again(token: str) -> None:
    assert make_vault().open(MINE, *make_vault().seal(MINE, token)) == token


@pytest.mark.parametrize("other", OTHERS)
def test_a_ciphertext_moved_to_another_row_is_refused(other: TokenContext) -> None:
    sealed = make_vault().seal(MINE, "Atzr|x")

    with pytest.raises(SealedTokenUnreadable, match="belongs to another"):
        make_vault().open(other, *sealed)


def test_an_old_key_still_opens_and_asks_to_be_replaced() -> None:
    sealed = make_vault(OLD_KEY).seal(MINE, "Atzr|x")
    rotated = make_vault(NEW_KEY, OLD_KEY)

    assert rotated.open(MINE, *sealed) == "Atzr|x"
    assert rotated.needs_reseal(sealed.key_id)
    assert not rotated.needs_reseal(rotated.seal(MINE, "Atzr|x").key_id)


def test_a_lost_key_is_named_by_its_id() -> None:
    sealed = make_vault(OLD_KEY).seal(MINE, "Atzr|x")

    with pytest.raises(SealedTokenUnreadable, match=sealed.key_id):
        make_vault(NEW_KEY).open(MINE, *sealed)


@given(st.data())
def test_a_changed_bit_is_noticed(data: st.DataObject) -> None:
    ciphertext, key_id = make_vault().seal(MINE, "Atzr|x")
    raw = bytearray(base64.urlsafe_b64decode(ciphertext))
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(SealedTokenUnreadable):
        make_vault().open(MINE, base64.urlsafe_b64encode(raw), key_id)


@pytest.mark.parametrize("inside", [b"not json", b"[]", b'{"v": 2}', b"\xff"])
def test_what_the_key_sealed_for_another_purpose_is_no_token(inside: bytes) -> None:
    vault = make_vault()

    with pytest.raises(SealedTokenUnreadable):
        vault.open(MINE, Fernet(NEW_KEY).encrypt(inside), vault.key_id)


@pytest.mark.parametrize("key", ["", "short", "ä" * 44, NEW_KEY[:-2], "!" * 44], ids=range(5))
def test_a_malformed_key_is_named_by_its_setting_and_not_shown(key: str) -> None:
    with pytest.raises(MalformedKeyError, match="ENCRYPTION_KEY: key 2") as caught:
        make_vault(NEW_KEY, key)

    assert not key or key not in str(caught.value)


def test_a_vault_without_keys_is_refused() -> None:
    with pytest.raises(MalformedKeyError, match="ENCRYPTION_KEY is empty"):
        TokenVault((), setting="ENCRYPTION_KEY")


def test_the_same_key_has_the_same_id_with_or_without_blanks() -> None:
    assert make_vault(NEW_KEY).key_id == make_vault(f" {NEW_KEY}\n").key_id
    assert len(make_vault(NEW_KEY, OLD_KEY).key_ids) == 2


@given(st.text(max_size=200))
def test_the_private_half_opens_what_the_public_half_sealed(token: str) -> None:
    sealed = SealingPublicKey(PAIR.public).seal(MINE, token)

    assert SealingPrivateKey(PAIR.private).open(MINE, *sealed) == token


@pytest.mark.parametrize("other", OTHERS)
def test_a_sealed_token_opens_for_its_own_credential_only(other: TokenContext) -> None:
    sealed = SealingPublicKey(PAIR.public).seal(MINE, "Atzr|x")

    with pytest.raises(SealedTokenUnreadable):
        SealingPrivateKey(PAIR.private).open(other, *sealed)


@pytest.mark.parametrize("cut", [slice(0), slice(1), slice(40), slice(-1)])
def test_a_cut_sealed_token_is_refused(cut: slice) -> None:
    ciphertext, _ = SealingPublicKey(PAIR.public).seal(MINE, "Atzr|x")

    with pytest.raises(SealedTokenUnreadable):
        SealingPrivateKey(PAIR.private).open(MINE, ciphertext[cut])


def test_another_pair_does_not_open_it() -> None:
    sealed = SealingPublicKey(PAIR.public).seal(MINE, "Atzr|x")
    other = SealingPrivateKey(new_sealing_pair().private)

    with pytest.raises(SealedTokenUnreadable, match="sealed for key"):
        other.open(MINE, *sealed)
    with pytest.raises(SealedTokenUnreadable):
        other.open(MINE, sealed.ciphertext)


def test_the_public_half_follows_from_the_private_one() -> None:
    private = SealingPrivateKey(PAIR.private)

    assert private.public_key().text == PAIR.public
    assert private.key_id == SealingPublicKey(PAIR.public).key_id


@pytest.mark.parametrize(
    "text", ["", "x", PAIR.private, PAIR.public[:-2], PAIR.public + "AA", "ä"], ids=range(6)
)
def test_a_malformed_public_key_is_refused_by_name(text: str) -> None:
    with pytest.raises(MalformedKeyError, match="SEALING_PUBLIC_KEY") as caught:
        SealingPublicKey(text, setting="SEALING_PUBLIC_KEY")

    assert PAIR.private not in str(caught.value)


def test_the_public_half_in_place_of_the_private_one_is_refused() -> None:
    with pytest.raises(MalformedKeyError, match="SEALING_PRIVATE_KEY"):
        SealingPrivateKey(PAIR.public, setting="SEALING_PRIVATE_KEY")


def test_a_stack_gets_keys_that_work_and_do_not_show_themselves() -> None:
    keys = new_stack_keys()

    assert keys.access_token_key != keys.refresh_token_key
    make_vault(keys.access_token_key, keys.refresh_token_key)
    private = SealingPrivateKey(keys.sealing_private_key)
    assert private.open(MINE, *SealingPublicKey(keys.sealing_public_key).seal(MINE, "t")) == "t"
    assert keys.sealing_private_key not in repr(keys)
    assert keys.refresh_token_key not in repr(keys)
