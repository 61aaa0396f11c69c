"""Placeholders: words in a host's files and steps that the owner replaces, such as REGION."""

import re
import subprocess
from collections.abc import Iterable, Mapping

from model.settings import ROOT

from .errors import BadPlaceholder

__all__ = ["EXAMPLES", "EXAMPLE_DOMAIN", "fill", "find_repository", "parse_assignments"]

EXAMPLES = {"YOUR.DOMAIN": "loupe.example.org"}
"""Values in the steps for placeholders that were not given; `check` fails if one is in a file."""

EXAMPLE_DOMAIN = re.compile(r"(?<![\w.-])(?:[\w-]+\.)*example\.(?:com|net|org)(?![\w-]|\.\w)")
"""A domain that is reserved for examples, so no app can have it."""

VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:/@+-]{0,250}[A-Za-z0-9])?")
"""A value that means the same in YAML, TOML, JSON, a Caddyfile and a shell."""


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace placeholders where they stand as whole words."""
    if not values:
        return text
    words = "|".join(map(re.escape, values))
    # In `--set WORD=VALUE` the word stays.
    return re.sub(
        rf"(?<!--set )(?<![A-Za-z0-9_])({words})(?![A-Za-z0-9_])", lambda m: values[m[1]], text
    )


def parse_assignments(known: Mapping[str, str], assignments: Iterable[str]) -> dict[str, str]:
    """Parse ``WORD=VALUE`` into values by placeholder.

    Args:
        known: the host's placeholders, each with what to put there.
        assignments: as given on the command line.

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
    return values


def find_repository() -> str | None:
    """Return the https address of this checkout's ``origin``; None if there is no public one."""
    command = ["git", "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    # What stands before an @ may be a password.
    pattern = (
        r"(?:https://|ssh://git@|git@)([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]+)[:/]([\w.-]+/[\w.-]+)"
    )
    found = re.fullmatch(pattern, done.stdout.strip())
    return f"https://{found[1]}/{found[2]}" if found else None
