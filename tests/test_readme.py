"""README and docs/: settings, commands, hosts, links and dependencies are all there."""

import re
import tomllib
from pathlib import Path

import pytest

from deploy.cli import main as deploy_cli
from deploy.hosts import HOSTS
from model.cli import COMMANDS
from model.settings import ROOT, Settings

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)


def test_settings_table_lists_every_setting_and_no_other() -> None:
    listed = set(re.findall(r"^\| `LOUPE_(\w+)` \|", TEXT, re.MULTILINE))
    assert listed == {name.upper() for name in Settings.model_fields}


def test_every_model_command_is_shown() -> None:
    assert set(re.findall(r"python -m model (\w+)", TEXT)) >= set(COMMANDS)


def test_every_deploy_command_is_shown() -> None:
    assert set(re.findall(r"python -m deploy (\w+)", TEXT)) >= set(deploy_cli.commands)


@pytest.mark.parametrize("host", HOSTS)
def test_every_host_is_named(host: str) -> None:
    assert f"`{host}`" in TEXT


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


def test_readme_fits_on_four_screens() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 160


def test_every_direct_dependency_of_serving_is_credited() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}
    # Bounds on what Streamlit brings along, not choices of this project.
    inherited = {"starlette", "uvicorn", "h11", "python-multipart", "numpy"}
    assert sorted(name for name in names - inherited if name.lower() not in TEXT.lower()) == []
