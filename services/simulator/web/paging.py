"""limit and nextToken of list calls: opaque, stable while new things are added."""

import base64
import binascii

from starlette.requests import Request

from services.simulator.refusal import Refusal

MAX_PAGE = 100


def page_limit(request: Request) -> int:
    """The page size asked for; an empty value counts as not given."""
    text = request.query_params.get("limit") or str(MAX_PAGE)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_PAGE:
        raise Refusal(400, f"limit must be between 1 and {MAX_PAGE}.")
    return int(text)


def page_token(request: Request) -> str | None:
    """The position that a nextToken of ours stands for; Refusal 400 for any other."""
    text = request.query_params.get("nextToken")
    if not text:
        return None
    try:
        plain = base64.urlsafe_b64decode(text.encode("ascii")).decode("utf-8")
    except (binascii.Error, ValueError):
        raise Refusal(400, "Invalid nextToken.") from None
    if not plain.startswith("sim:"):
        raise Refusal(400, "Invalid nextToken.")
    return plain.removeprefix("sim:")


def next_token(position: str) -> str:
    return base64.urlsafe_b64encode(f"sim:{position}".encode()).decode("ascii")


def flag(request: Request, name: str, *, default: bool = False) -> bool:
    """A boolean of the query string, in any case."""
    text = (request.query_params.get(name) or "").lower()
    if text in {"", "true", "false"}:
        return default if not text else text == "true"
    raise Refusal(400, f"{name} must be true or false.")
