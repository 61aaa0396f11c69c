"""Placeholders: replaced as whole words, by values that can break nothing."""

import subprocess
from pathlib import Path

import pytest

from deploy import placeholders
from deploy.errors import BadPlaceholder
from deploy.placeholders import fill, find_repository, parse_assignments

KNOWN = {"REGION": "a region such as europe-west1", "YOUR.DOMAIN": "the domain"}


def test_words_are_replaced_where_they_stand_alone() -> None:
    text = "--set REGION=REGION REGION-docker LOUPE_REGION REGIONS YOUR.DOMAIN YOURXDOMAIN"
    filled = fill(text, {"REGION": "eu", "YOUR.DOMAIN": "a.org"})
    assert filled == "--set REGION=eu eu-docker LOUPE_REGION REGIONS a.org YOURXDOMAIN"
    assert fill(text, {}) == text


def test_a_value_is_not_filled_again() -> None:
    assert fill("REGION", {"REGION": "YOUR.DOMAIN", "YOUR.DOMAIN": "a.org"}) == "YOUR.DOMAIN"


def test_assignments_are_parsed() -> None:
    given = ["REGION=europe-west1", "YOUR.DOMAIN=root@a.org:22/x"]
    assert parse_assignments(KNOWN, given) == {
        "REGION": "europe-west1",
        "YOUR.DOMAIN": "root@a.org:22/x",
    }


@pytest.mark.parametrize("assignment", ["PLANET=mars", "region=eu", "=eu", ""])
def test_unknown_word_is_refused_with_the_list(assignment: str) -> None:
    with pytest.raises(
        BadPlaceholder, match=r"REGION, a region such as europe-west1; YOUR\.DOMAIN"
    ):
        parse_assignments(KNOWN, [assignment])
    with pytest.raises(BadPlaceholder, match="There are none"):
        parse_assignments({}, ["REGION=eu"])


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "a b", "a\nb", "REGION\n", "$(id)", "`id`", "a;b", "a'b", 'a"b', "a#b", "{a}"),
        *("-rf", "a:", "@a", "a\\b", "a&b", "a|b", "*", "é", "a=b", "x" * 300),
    ],
)
def test_value_that_could_break_a_file_or_command_is_refused(value: str) -> None:
    with pytest.raises(BadPlaceholder, match="can't be put for REGION"):
        parse_assignments(KNOWN, [f"REGION={value}"])


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        ("https://github.com/me/loupe.git", "https://github.com/me/loupe.git"),
        ("git@github.com:me/loupe.git", "https://github.com/me/loupe.git"),
        ("ssh://git@gitlab.com/me/loupe", "https://gitlab.com/me/loupe"),
        # Passwords must not be written to files.
        ("https://me:secret@github.com/me/loupe.git", None),
        ("/srv/git/loupe.git", None),
        ("git@server:me/loupe.git", None),
        (None, None),
    ],
)
def test_repository_is_the_public_address_of_origin(
    origin: str | None, address: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placeholders, "ROOT", tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    if origin:
        subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", origin], check=True)
    assert find_repository() == address
