"""limit and nextToken of list calls: opaque, stable while new things are added.

A token is signed, for the list that gave it alone: another's, or an altered one, is refused.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

from starlette.requests import Request

from services.simulator.refusal import Refusal

MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class Turning:
    """How nextTokens are signed, and for how many seconds of wall time they are good."""

    key: bytes
    seconds: float | None


def page_limit(request: Request) -> int:
    """The page size asked for; an empty value counts as not given."""
    text = request.query_params.get("limit") or str(MAX_PAGE)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_PAGE:
        raise Refusal(400, f"limit must be between 1 and {MAX_PAGE}.")
    return int(text)


def page_token(request: Request) -> str | None:
    """The position that a nextToken of ours stands for; Refusal 400 for any other or an old one."""
    text = request.query_params.get("nextToken")
    if not text:
        return None
    try:
        plain = base64.b64decode(text.encode("ascii"), b"-_", validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise Refusal(400, "Invalid nextToken.") from None
    signature, _, signed = plain.partition(":")
    if not hmac.compare_digest(signature.encode(), _signature(request, signed).encode()):
        raise Refusal(400, "Invalid nextToken.")
    issued, _, position = signed.partition(":")
    turning: Turning = request.state.turning
    if turning.seconds is not None and request.state.at > float(issued) + turning.seconds:
        raise Refusal(400, "The nextToken has expired.")
    return position


def next_token(request: Request, position: str) -> str:
    """Stands for the position on the list that the request asks for, from now on."""
    signed = f"{request.state.at}:{position}"
    return base64.urlsafe_b64encode(f"{_signature(request, signed)}:{signed}".encode()).decode()


def _signature(request: Request, signed: str) -> str:
    turning: Turning = request.state.turning
    text = f"{request.scope['path']}\n{signed}".encode("utf-8", "surrogatepass")
    return hmac.new(turning.key, text, hashlib.sha256).hexdigest()[:20]


def flag(request: Request, name: str, *, default: bool = False) -> bool:
    """A boolean of the query string, in any case."""
    text = (request.query_params.get(name) or "").lower()
    if text in {"", "true", "false"}:
        return default if not text else text == "true"
    raise Refusal(400, f"{name} must be true or false.")
