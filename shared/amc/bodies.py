"""Reads answers without trusting them: bounded in size, any content type, any bytes.

AMC answers JSON under several content types (an empty create is `application/octet-stream`),
gateways answer HTML, and a broken one answers anything. What cannot be read is UndecodableAnswer
for the classifier to judge; nothing in here raises otherwise.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import httpx

from shared.security.secrets import redact_text

MAX_JSON_BYTES: Final = 16 * 1024 * 1024
MAX_ERROR_CHARS: Final = 500
_REQUEST_IDS: Final = ("x-amz-rid", "x-amz-request-id", "x-amzn-requestid")
_ERROR_MEMBERS: Final = ("details", "message", "errorMessage", "error_description")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\s]+")


class UndecodableAnswer(ValueError):
    """The body is not the JSON object it should be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer, with what is needed to judge it."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None = field(repr=False)
    """None: longer than we read."""
    received_at: datetime
    token_was_expired: bool = False

    @property
    def is_success(self) -> bool:
        """AMC says 200; any 2xx will do."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of HTTP's success codes

    @property
    def request_id(self) -> str | None:
        """Amazon's id of this request, under the names its servers use."""
        found = (self.headers.get(name) for name in _REQUEST_IDS)
        return next((clean(value, 100) for value in found if value), None)

    def members(self) -> Mapping[str, object]:
        """The body as a JSON object; UndecodableAnswer for anything else."""
        parsed = self._parsed()
        if not isinstance(parsed, dict):
            raise UndecodableAnswer(f"a JSON {type(parsed).__name__} instead of an object")
        return parsed

    def error_text(self) -> str:
        """What Amazon says went wrong, in one line without secrets."""
        try:
            members = self.members()
        except UndecodableAnswer:
            members = {}
        for name in _ERROR_MEMBERS:
            if isinstance(value := members.get(name), str) and value.strip():
                return clean(redact_text(value), MAX_ERROR_CHARS)
        raw = (self.body or b"")[: 8 * MAX_ERROR_CHARS].decode("utf-8", "replace")
        return clean(redact_text(raw), MAX_ERROR_CHARS) or f"HTTP {self.status} without a text"

    def _parsed(self) -> object:
        if self.body is None:
            raise UndecodableAnswer(f"a body of more than {MAX_JSON_BYTES} bytes")
        try:
            return json.loads(self.body)
        except RecursionError:
            raise UndecodableAnswer("JSON nested too deeply") from None
        except ValueError as error:  # bad JSON, bad UTF-8, or a number of thousands of digits
            raise UndecodableAnswer(f"a body that is not JSON ({error})") from None


def clean(text: str, limit: int) -> str:
    """One line Postgres and a terminal can take: no NUL, control character or lone surrogate."""
    whole = text[: 4 * limit].encode("utf-8", "replace").decode("utf-8")
    return _UNPRINTABLE.sub(" ", whole).strip()[:limit]


async def read_body(response: httpx.Response, limit: int = MAX_JSON_BYTES) -> bytes | None:
    """The raw body, or None once it grows beyond the limit. Compression is never asked for."""
    if response.is_stream_consumed:  # a stand-in that was built with its body
        return response.content if len(response.content) <= limit else None
    assert isinstance(response.stream, httpx.AsyncByteStream)
    parts = bytearray()
    # Not `aiter_raw`: its steps around each chunk cost as much as reading a short answer.
    async for chunk in response.stream:
        parts += chunk
        if len(parts) > limit:
            return None
    return bytes(parts)
