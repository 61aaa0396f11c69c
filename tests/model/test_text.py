"""``model.text``: text from outside, lists of names that are cut, sizes of files."""

import pytest

from model.text import clean, escape, format_size, list_some


@pytest.mark.parametrize(
    ("text", "cleaned", "escaped"),
    [
        (" two \t spaces\n", "two spaces", " two \\t spaces\\n"),
        ("a \u202e b\x1b[2J", "a b[2J", "a \\u202e b\\x1b[2J"),
        ("\u200f\u200e\u061c\u2066\u2069", "", "\\u200f\\u200e\\u061c\\u2066\\u2069"),
        ("\ud800e\u0301", "\u00e9", "\\ud800e\u0301"),
        ("\ufeffa\u200b\u2060\U000e0041b", "ab", "\\ufeffa\\u200b\\u2060\\U000e0041b"),
        ("می\u200cخواهم 👩\u200d🚀", "می\u200cخواهم 👩\u200d🚀", "می\u200cخواهم 👩\u200d🚀"),
    ],
)
def test_hidden_characters_are_removed_or_escaped(text: str, cleaned: str, escaped: str) -> None:
    assert clean(text) == cleaned
    assert clean(clean(text, keep_spaces=True)) == cleaned
    assert escape(text) == escaped


def test_names_of_files_keep_their_spaces() -> None:
    assert clean(" two  spaces\n.png ", keep_spaces=True) == "two  spaces.png"


def test_list_some_counts_what_it_leaves_out() -> None:
    listed = {0: "", 1: "0", 3: "0, 1, 2", 1003: "0, 1, 2 and 1,000 more"}
    assert {count: list_some([str(n) for n in range(count)], 3) for count in listed} == listed


def test_size_has_a_unit_of_a_thousand() -> None:
    assert [format_size(count) for count in (999, 999_600)] == ["999 bytes", "999.6 kB"]
