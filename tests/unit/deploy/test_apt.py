"""The machine's own package sources, pointed at another suite."""

from pathlib import Path

import pytest

from deploy.local import apt

STANZAS = """Types: deb
URIs: mirror://one
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/a.gpg

Types: deb
URIs: mirror://two
Suites: bookworm-security
Components: main
"""
LINE = "# a comment\ndeb [arch=amd64 signed-by=/k.gpg] mirror://one bookworm main contrib\n"


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    monkeypatch.setattr(apt, "SOURCES", tmp_path)
    return tmp_path


def test_the_first_source_keeps_its_address_and_key(etc: Path) -> None:
    (etc / "sources.list.d/debian.sources").write_text(STANZAS)

    assert apt.sources_for("trixie").splitlines() == [
        "Types: deb",
        "URIs: mirror://one",
        "Suites: trixie",
        "Components: main",
        "Signed-By: /usr/share/keyrings/a.gpg",
    ]


def test_a_source_in_the_old_form_is_understood(etc: Path) -> None:
    (etc / "sources.list").write_text(LINE)

    assert apt.sources_for("trixie").splitlines() == [
        "Types: deb",
        "URIs: mirror://one",
        "Suites: trixie",
        "Components: main",
        "Signed-By: /k.gpg",
    ]


def test_no_source_is_one_sentence(etc: Path) -> None:
    with pytest.raises(apt.LocalStackError, match="no Debian package source"):
        apt.sources_for("trixie")
