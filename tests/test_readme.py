"""README and docs/: settings, commands, hosts, links and dependencies are all there."""

import re
import tomllib

from deploy.cli import main as deploy_cli
from deploy.hosts import HOSTS
from model.cli import COMMANDS
from model.settings import ROOT, Settings

DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = (*(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")), *DOCS)
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
"""A decimal or whole number."""


def test_settings_table_lists_every_setting_with_its_default_and_no_other() -> None:
    listed = dict(re.findall(r"^\| `LOUPE_(\w+)` \| `?([^`|]*\b)", TEXT, re.MULTILINE))
    defaults = {name.upper(): field.default for name, field in Settings.model_fields.items()}
    assert listed.keys() == defaults.keys()
    assert all(listed[name] == str(one) for name, one in defaults.items() if type(one) is int)


def test_every_command_is_shown() -> None:
    assert set(re.findall(r"python -m model ([\w-]+)", TEXT)) >= set(COMMANDS)
    assert set(re.findall(r"python -m deploy (\w+)", TEXT)) >= set(deploy_cli.commands)


def test_every_host_is_named() -> None:
    assert [host for host in HOSTS if f"`{host}`" not in TEXT] == []


def test_links_to_files_lead_somewhere() -> None:
    for page in PAGES:
        files = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        assert [file for file in files if not (page.parent / file).exists()] == []


def test_readme_has_at_most_120_lines() -> None:
    assert len(README.splitlines()) <= 120


def test_readmes_figures_are_those_of_the_docs() -> None:
    text = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    figures = {number for number in NUMBER.findall(text) if "." in number or "," in number}
    figures |= set(re.findall(r"(?<![\d.,])(\d+)(?:%| ms| MB)", text))
    docs = "\n".join(page.read_text(encoding="utf-8") for page in DOCS)
    assert {"63", "94.4"} <= figures
    # Versions of Python and of the licence.
    assert figures - set(NUMBER.findall(docs)) - {"3.11", "3.12", "3.13", "2.0"} == set()


def test_readmes_pictures_are_there_and_small() -> None:
    names = re.findall(r'src(?:set)?="([^"]+)"', README)
    assert max((ROOT / name).stat().st_size for name in names) <= 1_500_000


def test_readmes_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^make (\w+)", README, re.MULTILINE))
    assert {target for target in targets if f"\n{target}: " not in makefile} == set()
    assert set(re.findall(r"python -m model ([\w-]+)", README)) <= set(COMMANDS)
    assert set(re.findall(r"python -m deploy (\w+)", README)) <= set(deploy_cli.commands)


def test_commands_hold_no_placeholder() -> None:
    notebooks = (ROOT / "docs").rglob("*.ipynb")
    texts = [TEXT, *(path.read_text(encoding="utf-8") for path in notebooks)]
    assert not any("YOUR-NAME" in text for text in texts)


def test_every_direct_dependency_of_serving_is_credited() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}
    # Bounds on what Streamlit brings along, not choices of this project.
    inherited = {"starlette", "uvicorn", "h11", "python-multipart", "numpy"}
    assert sorted(name for name in names - inherited if name.lower() not in TEXT.lower()) == []
