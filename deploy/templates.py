"""Parts of hosts' files and steps: documents as text, common steps, placeholders such as REGION."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import yaml

from .spec import AppSpec, DeployError

SERVER_DIR = "/opt/loupe"
"""Folder of the app on your own server."""

COMMENT = re.compile(r"^\s*(;|//).*$|(^|\s)#.*$|<!--.*?-->", re.MULTILINE)
"""A comment in any of the files' formats: it may explain a placeholder."""

VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:/@+-]{0,250}[A-Za-z0-9])?")
"""A value that means the same in YAML, TOML, JSON, a Caddyfile and a shell."""


class BadPlaceholder(DeployError, code="bad-placeholder"):
    """A word that the host's files don't contain, or a value that could break them."""


def use_own_repository(visibility: str) -> str:
    """Return the steps that give a fresh clone a ``public`` or ``private`` repository."""
    return f"""\
If origin is not a repository of your own yet (without gh: https://github.com/new):
$ git remote rename origin upstream && gh repo create loupe --{visibility} --source=. --push"""


def push(*files: str, folder: str = "") -> str:
    """Return the command that pushes a new version of the models, and files beside them.

    Args:
        files: paths in this repository, beside the models.
        folder: another repository, of which everything is pushed.
    """
    git, paths = (f"git -C {folder}", ".") if folder else ("git", " ".join(("bundles", *files)))
    return f"{git} add {paths} && {git} commit -m 'Deploy the model' && {git} push"


def create_repository(folder: str, name: str) -> str:
    """Return the steps that make a folder a public repository on GitHub."""
    return f"""\
$ git init -b main {folder} && git -C {folder} add . && git -C {folder} commit -m Loupe
$ gh repo create {name} --public --source={folder} --push"""


def dump_yaml(document: Any, comment: str = "") -> str:
    """Return a document as YAML, in its own order, after a comment."""
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return (f"# {comment}\n" if comment else "") + text


def dump_json(document: Any) -> str:
    """Return a document as JSON; it has no comments, so notes belong in the steps."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_name_value_list(environment: Mapping[str, str], key: str = "name") -> list[dict[str, str]]:
    """Return variables as a list, as in Kubernetes: ``[{name, value}]``."""
    return [{key: name, "value": value} for name, value in environment.items()]


def make_readme(app: AppSpec) -> str:
    """Return a README for the app's own repository, headed by its model's title."""
    heading = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", app.heading)
    return f"# {heading}\n\nPoint a phone at something; your own model says what it is.\n"


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace the placeholders that are whole words."""
    return _whole_words(values).sub(lambda match: values[match[1]], text) if values else text


def _whole_words(words: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that matches whole words, and the longest where several begin."""
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<!\w)({'|'.join(map(re.escape, longest_first))})(?!\w)")


def parse_assignments(
    known: Mapping[str, str], assignments: Iterable[str], numbers: Collection[str] = ()
) -> dict[str, str]:
    """Parse ``WORD=VALUE``, the values of ``--set``, into values by placeholder.

    Args:
        known: the host's placeholders, each with a description.
        assignments: what to put for them.
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
        raise BadPlaceholder(f"{shown} can't be used. Give numbers from 1, in ascending order.")
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
