"""What the README says of settings and commands is so."""

import re
import tomllib
from pathlib import Path

from model.cli import COMMANDS
from model.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_every_setting_is_in_the_table_and_no_other() -> None:
    named = set(re.findall(r"^\| `LOUPE_(\w+)` \|", README, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_every_command_is_shown() -> None:
    shown = set(re.findall(r"python -m model (\w+)", README))
    assert shown >= set(COMMANDS) - {"build"}


def test_every_file_that_is_linked_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README)
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert missing == []


def test_every_direct_dependency_of_serving_is_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[\w-]+", line) for line in project["dependencies"]]
    # Floors for what Streamlit brings along, not our own choices.
    inherited = {"starlette", "python-multipart", "numpy"}
    missing = [
        name.group()
        for name in names
        if name and name.group() not in inherited and name.group().lower() not in README.lower()
    ]
    assert missing == []
