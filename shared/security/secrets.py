"""Tokens that do not show themselves, and the removal of secrets from whatever is logged.

Two nets: by value (what Amazon's tokens, JWTs, bearer headers, signed links and URLs with
passwords look like) and by the name of the key that holds a value. A secret in a plain sentence
that looks like none of these cannot be found by anyone, so tokens travel as `AccessToken` and
`RefreshToken`, which render as stars wherever they end up.
"""

import hmac
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import lru_cache
from typing import Final, NoReturn

from typing_extensions import override

STARS: Final = "***"
_MAX_DEPTH: Final = 20
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,4096}")


class _Token:
    """A secret text: compared in constant time, shown as stars, read only by `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not _VISIBLE_ASCII.fullmatch(value):
            raise ValueError(f"{type(self).__name__} must be 1 to 4096 visible ASCII characters")
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one place that sends or seals it."""
        return self._value

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}({STARS})"

    @override
    def __str__(self) -> str:
        return STARS

    @override
    def __format__(self, spec: str, /) -> str:
        return STARS

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Token) or type(other) is not type(self):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    @override
    def __hash__(self) -> int:
        return hash((type(self), self._value))

    @override
    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} must not be pickled or copied")


class AccessToken(_Token):
    """Amazon's access token, with the time it says it lives until, if that is known."""

    __slots__ = ("expires_at",)

    def __init__(self, value: str, *, expires_at: datetime | None = None) -> None:
        super().__init__(value)
        self.expires_at = expires_at

    def is_expired(self, now: datetime) -> bool:
        """Whether it is past its own expiry; false where that is not known."""
        return self.expires_at is not None and now >= self.expires_at


class RefreshToken(_Token):
    """Amazon's refresh token: lives until the user takes the grant back."""

    __slots__ = ()


# Backslash and quote end a value too, so that a token inside repr() or JSON leaves those intact.
_VALUE = r"[^\s\"'<>\\&,;)}\]]+"
_BY_VALUE: Final = (
    re.compile(rf"(?P<keep>Atz[ar](?:\||%7C)){_VALUE}", re.IGNORECASE),
    re.compile(r"(?P<keep>)\beyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*"),
    re.compile(r"(?P<keep>)amc_sk_[A-Za-z0-9_-]+"),
    re.compile(rf"(?P<keep>X-Amz-(?:Signature|Credential|Security-Token)=){_VALUE}", re.IGNORECASE),
    re.compile(rf"(?P<keep>\b(?:Bearer|Basic)\s+){_VALUE}", re.IGNORECASE),
    re.compile(r"(?P<keep>://[^\s:/@]*:)[^\s/]*(?=@)"),
)

_NAMES: Final = (
    r"passw(?:or)?d|passphrase|secret|tokens?|authorization|cookie|(?:api|private|encryption)[_-]?key"
    r"|signature|ciphertext|dsn"
)
_SECRET_KEY: Final = re.compile(rf"(?:^|[_\-.\s])(?:{_NAMES})$", re.IGNORECASE)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# A quoted value ends at the quote that is escaped as deeply as the one it began with: inside
# JSON inside repr() that is a run of backslashes, and a longer run belongs to the value.
_QUOTED: Final = r"(?P<quote>\\*[\"'])(?:(?!(?<!\\)(?P=quote)).)*(?:(?P=quote)|$)"
_PAIR: Final = re.compile(
    rf"(?P<keep>(?:{_NAMES})\\*[\"']?\s*[=:]\s*)(?:{_QUOTED}|(?:(?:Bearer|Basic)\s+)?{_VALUE})",
    re.IGNORECASE | re.DOTALL,
)
# Whatever the patterns above find holds one of these, and most of what is logged holds none:
# ids, paths, words. Searching all patterns was most of the cost of a line.
_MARK: Final = re.compile(r"[=:|%\s]|eyJ|amc_sk_", re.IGNORECASE)


def redact(value: object) -> object:
    """The same shape with every secret replaced by stars, whatever it is nested in.

    Mappings, sequences, sets, text, bytes, numbers and None keep their kind; everything else
    (exceptions, URLs, our own classes) becomes its text first.
    """
    return _redact(value, _MAX_DEPTH)


def redact_text(text: str) -> str:
    """The text without what looks like a secret, or stands behind the name of one."""
    if _MARK.search(text) is None:
        return text
    for pattern in (*_BY_VALUE, _PAIR):
        text = pattern.sub(rf"\g<keep>{STARS}", text)
    return text


@lru_cache(maxsize=1024)  # names are few, and the same in every line
def is_secret_key(key: str) -> bool:
    """Whether a value under this name must not be shown: `password`, `clientSecret`, ..."""
    return _SECRET_KEY.search(_CAMEL.sub("_", key)) is not None


def _redact(value: object, depth: int) -> object:
    # First what nearly all of a line is, by the quickest test there is.
    if type(value) is str:
        return redact_text(value)
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return redact_text(value)
        case bytes() | bytearray():
            return redact_text(bytes(value).decode("utf-8", "replace")).encode()
        case _:
            return _redact_nested(value, depth) if depth else STARS


def _redact_nested(value: object, depth: int) -> object:
    match value:
        case BaseException():
            return _redact_exception(value, depth)
        case Mapping():
            return {_key(str(key)): _redact_item(key, value[key], depth) for key in value}
        case list() | tuple() | AbstractSet():
            return [_redact(item, depth - 1) for item in value]
        case _:
            return redact_text(str(value))


def _redact_item(key: object, value: object, depth: int) -> object:
    if value is not None and is_secret_key(str(key)):
        return STARS
    return _redact(value, depth - 1)


@lru_cache(maxsize=1024)  # as of `is_secret_key`
def _key(key: str) -> str:
    return redact_text(key)


def _redact_exception(error: BaseException, depth: int) -> str:
    args = ", ".join(str(_redact(arg, depth - 1)) for arg in error.args)
    return f"{type(error).__name__}: {redact_text(args)}"
