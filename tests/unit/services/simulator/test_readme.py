"""The README names what there is."""

import re
from pathlib import Path

import services.simulator
from services.simulator.faults import _PLAIN, _TIMED
from services.simulator.profiles import PROFILES
from services.simulator.switches import Switches

README = (Path(services.simulator.__file__).parent / "README.md").read_text()
QUOTED = set(re.findall(r"`([^`\n]+)`", README))


def test_every_switch_is_named():
    shortened = {"_member": "duplicate_workflow_member"}
    named = {shortened.get(text, text) for text in QUOTED}

    assert set(Switches.model_fields) - named == set()


def test_no_switch_has_two_rows():
    rows = re.findall(r"^\| (`\w+`.*?) \|", README, re.MULTILINE)

    assert len(rows) == len(set(rows)) > len(PROFILES)


def test_every_fault_is_named():
    assert (_PLAIN | {f"{kind}:SECONDS" for kind in _TIMED}) - QUOTED == set()


def test_every_profile_is_named():
    assert set(PROFILES) - QUOTED == set()


def test_every_endpoint_of_ours_is_named(simulator):
    sources = Path(services.simulator.__file__).parent.glob("web/*.py")
    routes = re.findall(
        r'Route\(\s*"/_simulator/([a-z/-]+)".*?methods=\["([A-Z]+)"\]',
        "".join(path.read_text() for path in sources),
    )

    assert len(routes) >= 20
    named = {" ".join(text.partition("?")[0].split()[:2]) for text in QUOTED}
    assert {f"{method} {path}" for path, method in routes} - named == set()
