"""The page at /_simulator/: what is there and what happens, with nothing from outside."""

import json
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from services.simulator.clock import iso_millis, iso_seconds
from services.simulator.execution import Execution
from services.simulator.simulator import Simulator
from services.simulator.switches import Switches

_RECENT = 25
_STYLE = """
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:76rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:1.75rem 0 .5rem}
table{border-collapse:collapse;width:100%;font-size:.875rem}
caption{text-align:left;padding:.25rem 0}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #8886;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
td.k{white-space:nowrap;font-family:ui-monospace,monospace;font-size:.8125rem}
td.w{overflow-wrap:anywhere;min-width:12rem}
tr.bad td{background:#c0392b1f}
.wide{overflow-x:auto}nav{margin:.5rem 0}nav a{margin-right:1rem}
dl{display:flex;flex-wrap:wrap;gap:.25rem 2rem;margin:0}
dt{font-size:.8125rem}dd{margin:0;font-weight:600}
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>AMC simulator</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<style>{style}</style></head>
<body><main><h1>AMC simulator</h1>{sections}</main></body></html>
"""
_KINDS = {"#": ' class="n"', "~": ' class="k"', "*": ' class="w"'}
_BAD = ' class="bad"'
_ENDED_BADLY = frozenset({"FAILED", "REJECTED"})
_NOT_SERVED = frozenset({*range(400, 600), "cut"})
_NAVIGATION = "<nav>{}</nav>".format(
    "".join(
        f'<a href="#{name}">{name}</a>'
        for name in ("instances", "executions", "journal", "schedules", "faults", "switches")
    )
)


@dataclass(frozen=True, slots=True)
class Page:
    """GET /_simulator/."""

    simulator: Simulator

    def routes(self) -> list[Route]:
        return [Route("/_simulator/", self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        """As of now; the page does not reload itself."""
        sections = (
            self._summary(request.state.at),
            _NAVIGATION,
            self._instances(request.state.at),
            self._executions(),
            self._journal(),
            self._schedules(),
            self._faults(),
            self._switches(),
        )
        headers = {
            "cache-control": "no-store",
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
        }
        return HTMLResponse(_PAGE.format(style=_STYLE, sections="".join(sections)), headers=headers)

    def _summary(self, now: float) -> str:
        simulator = self.simulator
        facts = {
            "now (UTC)": iso_seconds(now),
            "time scale": f"{simulator.settings.time_scale:g}",
            "profile": simulator.profile,
            "token refreshes": str(simulator.tokens.refreshes),
            "token requests refused": str(simulator.tokens.refused),
        }
        pairs = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
            for name, value in facts.items()
        )
        return f"<dl>{pairs}</dl>"

    def _instances(self, now: float) -> str:
        heads = (
            "instance", "account", "type", "creation", "workflows#", "calls in the last second#",
            "most in a second#", "calls#", "429#", "pending or running#", "running#", "executions#",
        )  # fmt: skip
        rows = [
            (
                i.id, i.account.entry.account_id, i.entry.type, i.creation_status(now),
                len(i.workflows), i.traffic.arrived.count(now), i.traffic.arrived.peak,
                i.traffic.tally.requests, i.traffic.tally.by_status["429"], i.active, i.running,
                len(i.executions),
            )
            for i in self.simulator.world.instances.values()
        ]  # fmt: skip
        return _table("Instances", heads, rows)

    def _executions(self) -> str:
        everyone: list[Execution] = []
        for instance in self.simulator.world.instances.values():
            everyone += instance.executions[-_RECENT:]
        newest = sorted(everyone, key=lambda e: e.created_at, reverse=True)[:_RECENT]
        heads = ("created~", "instance", "workflow*", "execution~", "status", "reason*", "rows#")
        rows = [
            (
                iso_seconds(e.created_at), e.instance.id, e.order.workflow_id, e.id,
                e.status.value, e.status_reason or "", e.rows if e.has_result else "",
            )
            for e in newest
        ]  # fmt: skip
        return _table("Executions, the newest first", heads, rows, bad=_ENDED_BADLY)

    def _schedules(self) -> str:
        heads = (
            "instance", "schedule*", "workflow*", "period", "next~", "fired~",
            "no execution because*",
        )  # fmt: skip
        rows = [
            (
                i.id, key, s.body.workflow_id or "", s.body.aggregation_period or "",
                _time(s.next_after(s.since)), _time(s.fired_at), s.refusal or "",
            )
            for i in self.simulator.world.instances.values()
            for key, s in i.schedules.items()
        ]  # fmt: skip
        return _table("Schedules", heads, rows)

    def _faults(self) -> str:
        heads = ("id#", "fault", "method", "path*", "instance", "probability#", "left#", "struck#")
        rows = [
            (
                f.id, f.rule.fault, f.rule.match.method or "any", f.rule.match.path_regex or "any",
                f.rule.match.instance_id or "any", f.rule.probability,
                "for ever" if f.left is None else f.left, f.struck,
            )
            for f in self.simulator.faults.active
        ]  # fmt: skip
        return _table("Faults", heads, rows)

    def _journal(self) -> str:
        heads = ("number#", "arrived~", "method", "path*", "status#", "fault")
        rows = [
            (
                e["seq"], iso_millis(e["arrived_at"]), e["method"], e["path"],
                e["status"] or "cut", e["fault"] or "",
            )
            for e in self.simulator.journal.newest(_RECENT)
        ]  # fmt: skip
        return _table("Journal, the newest first", heads, rows, bad=_NOT_SERVED)

    def _switches(self) -> str:
        values, first = self.simulator.switches.model_dump(), Switches().model_dump()
        rows = [
            (name, json.dumps(value), "" if value == first[name] else json.dumps(first[name]))
            for name, value in values.items()
        ]
        return _table("Switches", ("switch~", "value", "default, where another"), rows)


def _time(seconds: float | None) -> str:
    return "" if seconds is None else iso_seconds(seconds)


def _table(
    title: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    bad: Container[object] = (),
) -> str:
    """A table with a heading, rows with a value of `bad` marked.

    A head that ends in # is over numbers, in ~ over what must not be broken, in * over what may be
    broken anywhere.
    """
    kinds = [_KINDS.get(head[-1], "") for head in heads]
    head = "".join(
        f'<th scope="col"{kind}>{escape(text.rstrip("#~*"))}</th>'
        for text, kind in zip(heads, kinds, strict=True)
    )
    body = "".join(
        f"<tr{_BAD if any(value in bad for value in row) else ''}>"
        + "".join(
            f"<td{kind}>{escape(str(value))}</td>" for value, kind in zip(row, kinds, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    empty = f'<tr><td colspan="{len(heads)}">none</td></tr>'
    return (
        f'<section><h2 id="{title.partition(",")[0].lower()}">{escape(title)}</h2>'
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}, table">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body or empty}</tbody></table></div>"
        "</section>"
    )
