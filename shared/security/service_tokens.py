"""Bearer tokens of our own API: shown once, stored as a hash.

A token carries 256 random bits, so a plain SHA-256 is enough: there is nothing to guess, and the
hash is the key under which a request finds its row.
"""

import hashlib
import hmac
import secrets
from typing import Final

PREFIX: Final = "amc_sk_"


def new_service_token() -> str:
    """A fresh token; the caller shows it once and stores `hash_service_token` of it."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_service_token(token: str) -> bytes:
    """32 bytes for the database."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def matches_service_token(token: str, stored_hash: bytes) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(hash_service_token(token), stored_hash)
