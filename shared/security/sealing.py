"""Sealing with a public key: who takes refresh tokens in can lock them away, not read them.

HPKE (RFC 9180) with X25519, HKDF-SHA256 and ChaCha20-Poly1305. The context goes in as HPKE's
`info`, so a sealed token opens for its own credential only. Keys travel in settings as URL-safe
base64 without padding, each with a prefix that says which half it is.
"""

import base64
import binascii
import hashlib
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from shared.security.tokens import (
    MalformedKeyError,
    Sealed,
    SealedTokenUnreadable,
    TokenContext,
)

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_PUBLIC_PREFIX: Final = "amcseal-pub-"
_PRIVATE_PREFIX: Final = "amcseal-key-"
_KEY_BYTES: Final = 32


class SealingPublicKey:
    """The half that `api` holds."""

    def __init__(self, text: str, *, setting: str = "the public sealing key") -> None:
        self._key = X25519PublicKey.from_public_bytes(_decode(text, _PUBLIC_PREFIX, setting))
        self.text = text.strip()
        self.key_id = _key_id(self._key)

    def seal(self, context: TokenContext, token: str) -> Sealed:
        """Sealed for the private half; sealing the same token twice gives different bytes."""
        return Sealed(_SUITE.encrypt(token.encode(), self._key, _info(context)), self.key_id)


class SealingPrivateKey:
    """The half that `token_refresher` holds."""

    def __init__(self, text: str, *, setting: str = "the private sealing key") -> None:
        self._key = X25519PrivateKey.from_private_bytes(_decode(text, _PRIVATE_PREFIX, setting))
        self.key_id = _key_id(self._key.public_key())

    def open(self, context: TokenContext, ciphertext: bytes, key_id: str | None = None) -> str:
        """The token; SealedTokenUnreadable for another key, another context or changed bytes."""
        if key_id is not None and key_id != self.key_id:
            raise SealedTokenUnreadable(
                f"The token was sealed for key {key_id[:32]!r}, this is key {self.key_id}."
            )
        try:
            return _SUITE.decrypt(ciphertext, self._key, _info(context)).decode()
        except (InvalidTag, ValueError):
            raise SealedTokenUnreadable(
                f"The sealed {context.kind} token does not open for this credential."
            ) from None

    def public_key(self) -> SealingPublicKey:
        """The other half."""
        return SealingPublicKey(_encode(self._key.public_key().public_bytes_raw(), _PUBLIC_PREFIX))


class SealingPair(NamedTuple):
    """Both halves as text for the settings."""

    public: str
    private: str


def new_sealing_pair() -> SealingPair:
    """A fresh pair."""
    key = X25519PrivateKey.generate()
    return SealingPair(
        public=_encode(key.public_key().public_bytes_raw(), _PUBLIC_PREFIX),
        private=_encode(key.private_bytes_raw(), _PRIVATE_PREFIX),
    )


def _info(context: TokenContext) -> bytes:
    return f"amcflow token v1 {context.kind.value} {context.credential_id.hex}".encode()


def _key_id(key: X25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:12]


def _encode(raw: bytes, prefix: str) -> str:
    return prefix + base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(text: str, prefix: str, setting: str) -> bytes:
    text = text.strip()
    body = text.removeprefix(prefix)
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not text.startswith(prefix) or len(raw) != _KEY_BYTES:
        raise MalformedKeyError(
            f"{setting} must be {prefix!r} followed by 32 bytes in URL-safe base64"
        )
    return raw
