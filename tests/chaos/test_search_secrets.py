"""A search for secrets finds them in every form and place, and never tells them."""

from pathlib import Path

import pytest

from deploy.local.stack import Secrets
from tests.chaos import search_secrets
from tests.chaos.search_secrets import canaries_of, search_files, search_texts

SECRETS = Secrets(
    "access-key", "refresh-key", "public", "private", "client-secret", "service-token"
)
CANARIES = canaries_of(SECRETS)


@pytest.mark.parametrize(
    "text",
    [
        "token=Atza|abcdefgh",
        "Atzr|sim-round-7",
        "the client-secret is",
        "bytea \\x" + b"service-token".hex(),
    ],
)
def test_a_secret_is_found_whatever_it_looks_like(text: str) -> None:
    found = search_texts("a log", [f"round 7: {text}"], CANARIES, control="round 7")

    assert len(found.found) == 1
    assert found.is_control_found


def test_what_is_found_is_not_told_again() -> None:
    (told,) = search_texts("a log", ["key: refresh-key"], CANARIES, control="key").found

    assert told == "key: refr..."


def test_what_is_public_may_lie_anywhere() -> None:
    assert search_texts("a log", ["public"], CANARIES, control="public").found == ()


def test_a_secret_across_two_chunks_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_secrets, "_CHUNK", 8)
    file = tmp_path / "log"
    file.write_text("1234567 Atza|x")

    found = search_files("logs", [file, tmp_path / "gone"], CANARIES, control="4567 A")

    assert found.found == ("1234567 Atza...",)
    assert found.is_control_found


def test_a_search_that_does_not_find_its_word_says_so(tmp_path: Path) -> None:
    (tmp_path / "log").touch()

    assert not search_files("logs", [tmp_path / "log"], CANARIES, control="x").is_control_found
