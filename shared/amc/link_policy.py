"""Which result links may be fetched (OWASP API7, server-side request forgery).

A link is text from outside. Production takes https on the hosts of the result store only; a
simulator's links must point at that very simulator. What the names lead to is checked where the
connection is made (`shared.http.addresses`).
"""

import re
from dataclasses import dataclass
from typing import Final, Protocol

import httpx

from shared.domain.errors import PermanentError

_MAX_CHARS: Final = 16_384
_PLAIN: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/[!#-;=?-\[\]_a-z|~]*")
_HTTPS_PORT: Final = 443


class ResultLinkRefused(PermanentError):
    """A result link points where this installation does not fetch from."""

    code = "result_link_refused"
    default_hint = (
        "If Amazon really keeps results on that host, add its suffix to"
        " AMCFLOW_RESULT_HOST_SUFFIXES."
    )


class LinkPolicy(Protocol):
    """Decides about one link."""

    def check(self, link: str) -> httpx.URL:
        """The link to fetch, or ResultLinkRefused."""
        ...


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """https on hosts that end in one of these suffixes, such as `.s3.us-east-1.amazonaws.com`."""

    suffixes: tuple[str, ...]

    def __post_init__(self) -> None:
        for suffix in self.suffixes:
            if not re.fullmatch(r"(\.[a-z0-9-]+)+\.[a-z]{2,}", suffix):
                raise ValueError(f"{suffix!r} is not a host suffix such as '.s3.amazonaws.com'")

    def check(self, link: str) -> httpx.URL:
        """No user, no port but 443; an address in place of a name ends in none of the suffixes."""
        url = _parsed(link)
        if url.scheme != "https" or url.port not in {None, _HTTPS_PORT}:
            raise ResultLinkRefused(f"A result link must be https on its usual port: {_show(url)}")
        if not url.host.endswith(self.suffixes):
            raise ResultLinkRefused(f"A result link points at a host we do not know: {_show(url)}")
        return url


@dataclass(frozen=True, slots=True)
class SimulatorOnly:
    """Exactly one origin: scheme, host and port."""

    origin: str

    def check(self, link: str) -> httpx.URL:
        """For tests and the local stack; never for Amazon."""
        url, ours = _parsed(link), httpx.URL(self.origin)
        if (url.scheme, url.host, url.port) != (ours.scheme, ours.host, ours.port):
            raise ResultLinkRefused(f"A result link points beside the simulator: {_show(url)}")
        return url


def _parsed(link: str) -> httpx.URL:
    # Characters on which URL parsers disagree (user info, backslash, blanks) are refused outright.
    if len(link) > _MAX_CHARS or not _PLAIN.fullmatch(link):
        raise ResultLinkRefused("A result link is not a plain http URL.")
    try:
        return httpx.URL(link)
    except httpx.InvalidURL:
        raise ResultLinkRefused("A result link is not a URL.") from None


def _show(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.host[:255]}"
