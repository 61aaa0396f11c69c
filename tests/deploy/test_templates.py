"""Placeholders: replaced as whole words, only by safe values."""

import pytest

from deploy.templates import BadPlaceholder, fill, find_placeholders, parse_assignments

KNOWN = {"REGION": "a region such as europe-west1", "YOUR.DOMAIN": "the domain"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("REGION REGION-docker YOUR.DOMAIN", "YOUR.DOMAIN YOUR.DOMAIN-docker a.org"),
        ("LOUPE_REGION REGIONS YOURXDOMAIN", "LOUPE_REGION REGIONS YOURXDOMAIN"),
    ],
)
def test_placeholders_are_replaced_once_and_as_whole_words(text: str, filled: str) -> None:
    assert fill(text, {"REGION": "YOUR.DOMAIN", "YOUR.DOMAIN": "a.org"}) == filled
    assert fill(text, {}) == text


def test_assignments_are_parsed() -> None:
    given = ["REGION=europe-west1", "YOUR.DOMAIN=root@a.org:22/x"]
    expected = {"REGION": "europe-west1", "YOUR.DOMAIN": "root@a.org:22/x"}
    assert parse_assignments(KNOWN, given) == expected


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
    ("line", "found"),
    [
        *(("# Replace NAME.", []), ("  ; NAME=x", []), ("name: app # not NAME", [])),
        *(("<!-- NAME -->", []), ("NAMES: AWS_NAME MY_NAME2", []), ("name: Name", [])),
        # The longest one matches, once.
        ("url: NAME/loupe", [(2, "NAME/loupe")]),
    ],
)
def test_comments_and_longer_words_are_not_placeholders(
    line: str, found: list[tuple[int, str]]
) -> None:
    assert find_placeholders(f"\n{line}\n", ["NAME", "NAME/loupe"]) == found
    assert find_placeholders(f"\n{line}\n", []) == []
