"""Tokens at rest: Fernet under a ring of keys, bound to the row they belong to.

Fernet has no associated data, so the context (whose credential, which kind of token) is sealed
inside and compared on opening: a ciphertext moved to another row is refused. The key's id is
stored beside the ciphertext, so that a rotation can be counted and finished.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from cryptography.fernet import Fernet, InvalidToken

from shared.domain.errors import PermanentError
from shared.domain.ids import CredentialId

_FORMAT: Final = 1


class MalformedKeyError(ValueError):
    """A key in the settings is not one; the message names the setting and never the key."""


class SealedTokenUnreadable(PermanentError):
    """A stored token cannot be opened: the key is gone, or the ciphertext is another row's."""

    code = "sealed_token_unreadable"
    default_hint = (
        "Put the key it was sealed with back into the settings (older keys follow the newest),"
        " or store the credential's refresh token anew."
    )


class TokenKind(StrEnum):
    """Which of a credential's two tokens."""

    ACCESS = "access"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class TokenContext:
    """Where a sealed token belongs."""

    credential_id: CredentialId
    kind: TokenKind


class Sealed(NamedTuple):
    """What is stored: the ciphertext and the id of the key that opens it."""

    ciphertext: bytes
    key_id: str


class TokenVault:
    """A ring of Fernet keys, newest first: seals with the first, opens with any."""

    def __init__(self, keys: Sequence[str], *, setting: str) -> None:
        """`setting` is the name a person must correct when a key is malformed."""
        if not keys:
            raise MalformedKeyError(f"{setting} is empty: at least one key is needed")
        self._ring = dict(_key(text, position, setting) for position, text in enumerate(keys))
        self.key_id = next(iter(self._ring))

    @property
    def key_ids(self) -> tuple[str, ...]:
        """All ids this vault can open, newest first."""
        return tuple(self._ring)

    def seal(self, context: TokenContext, token: str) -> Sealed:
        """Under the newest key."""
        inside = {
            "v": _FORMAT,
            "credential": context.credential_id.hex,
            "kind": context.kind.value,
            "token": token,
        }
        return Sealed(self._ring[self.key_id].encrypt(json.dumps(inside).encode()), self.key_id)

    def open(self, context: TokenContext, ciphertext: bytes, key_id: str) -> str:
        """The token; SealedTokenUnreadable if the key is unknown, or bytes or row are wrong."""
        key = self._ring.get(key_id)
        if key is None:
            raise SealedTokenUnreadable(f"No key {key_id[:32]!r} in the settings opens this token.")
        try:
            inside = json.loads(key.decrypt(ciphertext))
        except (InvalidToken, ValueError):
            raise SealedTokenUnreadable(f"The stored token is not whole (key {key_id}).") from None
        expected = {
            "v": _FORMAT,
            "credential": context.credential_id.hex,
            "kind": context.kind.value,
        }
        token = inside.pop("token", None) if isinstance(inside, dict) else None
        if inside != expected or not isinstance(token, str):
            raise SealedTokenUnreadable(
                f"The stored {context.kind} token belongs to another credential or kind."
            )
        return token

    def needs_reseal(self, key_id: str) -> bool:
        """Whether a ciphertext with this key id should be sealed again under the newest key."""
        return key_id != self.key_id


def _key(text: str, position: int, setting: str) -> tuple[str, Fernet]:
    try:
        fernet = Fernet(text.strip())
    except ValueError:
        raise MalformedKeyError(
            f"{setting}: key {position + 1} is not 32 bytes in URL-safe base64 (44 characters)"
        ) from None
    return hashlib.sha256(text.strip().encode()).hexdigest()[:12], fernet
