"""Placeholders: replaced as whole words, only by safe values."""

import pytest

from deploy.templates import BadPlaceholder, fill, find_placeholders, parse_assignments

KNOWN = {"REGION": "a region such as europe-west1", "YOUR.DOMAIN": "the domain"}


def test_placeholders_are_replaced_as_whole_words() -> None:
    text = "REGION REGION-docker LOUPE_REGION REGIONS YOUR.DOMAIN YOURXDOMAIN"
    filled = fill(text, {"REGION": "eu", "YOUR.DOMAIN": "a.org"})
    assert filled == "eu eu-docker LOUPE_REGION REGIONS a.org YOURXDOMAIN"
    assert fill(text, {}) == text


def test_values_are_not_filled_again() -> None:
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


@pytest.mark.parametrize("numbers", [("abc", "2"), ("8", "2"), ("10", "9"), ("0", "2"), ("1.5",)])
def test_numbers_that_are_none_or_in_the_wrong_order_are_refused(numbers: tuple[str, ...]) -> None:
    words = ("FEWEST", "MOST")
    given = [f"{word}={number}" for word, number in zip(words, numbers, strict=False)]
    with pytest.raises(BadPlaceholder, match=f"^{' and '.join(given)} can't be used"):
        parse_assignments(dict.fromkeys(words, ""), given, words)
    assert parse_assignments(dict.fromkeys(words, ""), ["MOST=10", "FEWEST=9"], words)


@pytest.mark.parametrize(
    "line",
    [
        "# Replace NAME.",
        "  ; NAME=x",
        "name: app # not NAME",
        "<!-- NAME -->",
        "NAMES: AWS_NAME MY_NAME2",
        "name: Name",
    ],
)
def test_comments_and_longer_words_are_not_placeholders(line: str) -> None:
    assert find_placeholders(f"{line}\n", ["NAME"]) == []


def test_longest_placeholder_matches_once() -> None:
    assert find_placeholders("\nurl: YOU/loupe", ["YOU", "YOU/loupe"]) == [(2, "YOU/loupe")]
    assert find_placeholders("url: YOU/loupe", []) == []
