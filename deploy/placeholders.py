"""Placeholders: words in a host's files and steps that the owner replaces, such as REGION."""

import re
from collections.abc import Collection, Iterable, Mapping

from .errors import BadPlaceholder

COMMENT = re.compile(r"^\s*(;|//).*$|(^|\s)#.*$|<!--.*?-->", re.MULTILINE)
"""A comment in any of the files' formats: it may explain a placeholder."""

VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:/@+-]{0,250}[A-Za-z0-9])?")
"""A value that means the same in YAML, TOML, JSON, a Caddyfile and a shell."""


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace the placeholders that stand as whole words."""
    return _whole_words(values).sub(lambda match: values[match[1]], text) if values else text


def _whole_words(words: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern of words that stand alone; of two at one place, the longer."""
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<!\w)({'|'.join(map(re.escape, longest_first))})(?!\w)")


def parse_assignments(
    known: Mapping[str, str], assignments: Iterable[str], numbers: Collection[str] = ()
) -> dict[str, str]:
    """Parse ``WORD=VALUE`` into values by placeholder.

    Args:
        known: the host's placeholders, each with a description.
        assignments: the values of ``--set``.
        numbers: the placeholders for whole numbers, none larger than the next.

    Raises:
        BadPlaceholder: a word is unknown, or a value could break a file or a command.
    """
    values = {}
    for assignment in assignments:
        word, _, value = assignment.partition("=")
        if word not in known:
            words = "; ".join(f"{word}, {meaning}" for word, meaning in known.items())
            raise BadPlaceholder(
                f"There is no placeholder {word!r} in this host's files. "
                + (f"There are: {words}." if words else "There are none.")
            )
        if not VALUE.fullmatch(value):
            raise BadPlaceholder(
                f"{value!r} can't be put for {word}. Use letters, digits and . _ : / @ + - with a "
                "letter or digit at both ends."
            )
        values[word] = value
    given = {word: values[word] for word in numbers if word in values}
    ascending = ["1", *given.values()]
    if not all(map(str.isdecimal, ascending)) or sorted(ascending, key=int) != ascending:
        shown = " and ".join(f"{word}={value}" for word, value in given.items())
        raise BadPlaceholder(f"{shown} can't be used. Give numbers from 1 on, in ascending order.")
    return values


def find_placeholders(text: str, words: Collection[str]) -> list[tuple[int, str]]:
    """Return the line and the word of each placeholder outside comments."""
    if not words:
        return []
    pattern = _whole_words(words)
    return [
        (number, word)
        for number, line in enumerate(text.splitlines(), 1)
        for word in dict.fromkeys(pattern.findall(COMMENT.sub("", line)))
    ]
