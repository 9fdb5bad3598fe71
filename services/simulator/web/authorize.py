"""Login with Amazon's authorize page: a consent button, and the way back with a code."""

from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from services.simulator.simulator import Simulator
from services.simulator.tokens import SCOPES, Consent
from services.simulator.web.login import form_of

_CARRIED = (
    "client_id", "scope", "response_type", "redirect_uri", "state", "code_challenge",
    "code_challenge_method",
)  # fmt: skip
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:1rem/1.5 sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem}}
button{{font:inherit;padding:.5rem 1rem;margin-right:.5rem}}</style></head>
<body><main><h1>{title}</h1>{content}</main></body></html>
"""


@dataclass(frozen=True, slots=True)
class Authorize:
    """GET shows the page, POST is its form."""

    simulator: Simulator

    def routes(self) -> list[Route]:
        return [
            Route("/ap/oa", self.show, methods=["GET"]),
            Route("/ap/oa", self.decide, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """400 in HTML where no redirect may be trusted; other errors go back by redirect."""
        asked = {name: request.query_params.get(name, "") for name in _CARRIED}
        return self._refused(asked) or _consent_page(asked)

    async def decide(self, request: Request) -> Response:
        form = form_of(await request.body())
        asked = {name: form.get(name, "") for name in _CARRIED}
        refused = self._refused(asked)
        if refused is not None:
            return refused
        if form.get("decision") != "allow":
            return _back(asked, error="access_denied", error_description="Access not permitted.")
        challenge = asked["code_challenge"] or None
        scopes = frozenset(asked["scope"].split())
        consent = Consent(scopes, asked["redirect_uri"], challenge)
        return _back(asked, code=self.simulator.tokens.issue_code(consent), scope=asked["scope"])

    def _refused(self, asked: dict[str, str]) -> Response | None:
        settings = self.simulator.settings
        if asked["client_id"] != settings.client_id:
            return _error_page("An unknown client was specified.")
        if not _is_allowed(asked["redirect_uri"], settings.redirect_uris):
            return _error_page("The redirect URI you provided has not been whitelisted.")
        if asked["response_type"] != "code":
            return _back(asked, error="unsupported_response_type")
        scopes = frozenset(asked["scope"].split())
        if not scopes or scopes - SCOPES:
            text = "An unknown scope was requested"
            return _back(asked, error="invalid_scope", error_description=text)
        if asked["code_challenge"] and asked["code_challenge_method"] != "S256":
            text = "The request has an invalid parameter : code_challenge_method"
            return _back(asked, error="invalid_request", error_description=text)
        return None


def _is_allowed(uri: str, allowed: tuple[str, ...]) -> bool:
    if allowed:
        return uri in allowed
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and uri.isprintable()


def _back(asked: dict[str, str], **members: str) -> Response:
    """To the caller's redirect_uri, whose own query stays, with `state` as it came."""
    parts = urlsplit(asked["redirect_uri"])
    added = {**members, **({"state": asked["state"]} if asked["state"] else {})}
    pairs = [*parse_qsl(parts.query, keep_blank_values=True), *added.items()]
    query = urlencode(pairs, errors="replace")
    return RedirectResponse(urlunsplit(parts._replace(query=query, fragment="")), 302)


def _consent_page(asked: dict[str, str]) -> Response:
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in asked.items()
        if value
    )
    scopes = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in asked["scope"].split())
    host = escape(urlsplit(asked["redirect_uri"]).netloc)
    content = (
        f"<p>This is a simulator; no Amazon account is involved. The application at {host}"
        f" asks for:</p><ul>{scopes}</ul>"
        f'<form method="post" action="/ap/oa">{fields}'
        '<button name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny">Cancel</button></form>'
    )
    return HTMLResponse(_PAGE.format(title="Allow access", content=content))


def _error_page(text: str) -> Response:
    content = f"<p>{escape(text)}</p>"
    return HTMLResponse(_PAGE.format(title="We're sorry", content=content), 400)
