"""Named sets of faults and switches: calm, strict, flaky, hostile.

A profile's rules stand behind those that a test adds, and go when another profile comes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.simulator.faults import FaultRule, Match

ProfileName = Literal["calm", "strict", "flaky", "hostile"]
_API = "^/amc/"
_LISTS = "/(workflows|workflowExecutions|schedules|dataSources|instances)$"
_CREATE = "/workflowExecutions$"
_FILES = "^/_simulator/s3/"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a profile changes: switches by name, and rules in the order in which they are tried."""

    switches: Mapping[str, object]
    rules: tuple[FaultRule, ...]


def _rule(fault: str, share: float, path: str = _API, method: str | None = None) -> FaultRule:
    match = Match(path_regex=path, method=method)
    return FaultRule(fault=fault, match=match, count=None, probability=share)


_FLAKY = (
    _rule("429", 0.02),
    _rule("429-message", 0.01),
    _rule("429-html", 0.01),
    _rule("500", 0.01),
    _rule("502", 0.005),
    _rule("504", 0.01),
    _rule("slow:1", 0.03),
    _rule("drop-before", 0.005),
    _rule("drop-after", 0.01, _CREATE, "POST"),
    _rule("late-create:3", 0.01, _CREATE, "POST"),
    _rule("expire-token", 0.005),
    _rule("truncate", 0.02, _FILES),
    _rule("500", 0.01, "^/auth/"),
)
_HOSTILE = (
    _rule("429", 0.04),
    _rule("429-message", 0.03),
    _rule("429-html", 0.03),
    _rule("500", 0.03),
    _rule("502", 0.02),
    _rule("503", 0.01),
    _rule("504", 0.02),
    _rule("slow:3", 0.05),
    _rule("drop-before", 0.02),
    _rule("drop-after", 0.05, _CREATE, "POST"),
    _rule("late-create:5", 0.04, _CREATE, "POST"),
    _rule("late-create-drop:5", 0.04, _CREATE, "POST"),
    _rule("duplicate-page", 0.1, _LISTS, "GET"),
    _rule("expire-token", 0.02),
    _rule("malformed-json", 0.01),
    _rule("empty-body", 0.01),
    _rule("truncate", 0.02),
    _rule("truncate", 0.1, _FILES),
    _rule("corrupt", 0.05, _FILES),
    _rule("short-body", 0.05, _FILES),
    _rule("wrong-length", 0.05, _FILES),
    _rule("500", 0.05, "^/auth/"),
    _rule("drop-after", 0.02, "^/auth/"),
)
_STRICT = {
    "requests_per_second": 5,
    "concurrency_mode": "refuse",
    "retry_after": "",
    "unknown_workflow_status": 404,
    "unavailable_download_status": 404,
    "duplicate_workflow_member": "message",
    "administration_errors": "message",
    "data_source_types": False,
    "trailing_z": "refuse",
    "unauthorized_code": "number",
    "next_token_seconds": 900,
    "basic_client_login": False,
    "rotate_refresh_tokens": True,
}
PROFILES: Mapping[ProfileName, Profile] = {
    "calm": Profile({}, ()),
    "strict": Profile(_STRICT, ()),
    "flaky": Profile({"list_lag_seconds": 2.0}, _FLAKY),
    "hostile": Profile({"list_lag_seconds": 10.0, "rotate_refresh_tokens": True}, _HOSTILE),
}
