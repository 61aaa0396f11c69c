"""Parts shared by several hosts' files: documents as text, common steps."""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from .spec import AppSpec

SERVER_DIR = "/opt/loupe"
"""Folder of the app on your own server."""


def use_own_repository(visibility: str) -> str:
    """Return the steps that give a fresh clone a ``public`` or ``private`` repository."""
    return f"""\
If origin is not a repository of your own yet (without gh: https://github.com/new):
$ git remote rename origin upstream && gh repo create loupe --{visibility} --source=. --push"""


def push(*files: str) -> str:
    """Return the command that pushes a new version of the models, and files beside them."""
    paths = " ".join(("bundles", *files))
    return f"git add {paths} && git commit -m 'Deploy the model' && git push"


def push_folder(folder: str) -> str:
    """Return the command that pushes a new version of a folder that is a repository."""
    return (
        f"git -C {folder} add . && git -C {folder} commit -m 'Deploy the model' && "
        f"git -C {folder} push"
    )


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
