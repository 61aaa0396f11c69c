"""Dependencies: ranges in pyproject.toml, locked versions with hashes."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from model.exporting.export_folder import CONVERTERS_DIR
from model.settings import ROOT
from tests.python import run_python
from tests.test_architecture import tracked_files

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
GROUPS = PYPROJECT["dependency-groups"]
SERVE = PYPROJECT["project"]["dependencies"]
FULL = [*SERVE, *EXTRAS["train"]]
SCALE = [*SERVE, *EXTRAS["scale"], *GROUPS["buckets"], *GROUPS["scale"]]
DECLARED = {
    "requirements-serve.txt": SERVE,
    "requirements-full.txt": FULL,
    "requirements-dev.txt": [*FULL, *GROUPS["dev"]],
    "requirements-scale.txt": SCALE,
    "requirements-buckets.txt": GROUPS["buckets"],
    "requirements-npm.txt": GROUPS["npm"],
    "requirements-audit.txt": GROUPS["audit"],
    "requirements.txt": FULL,
}
HASHED = [
    *(ROOT / name for name in DECLARED if name != "requirements.txt"),
    *CONVERTERS_DIR.glob("*.txt"),
]
HASH = re.compile(r" --hash=sha256:[0-9a-f]{64}\b")

NOT_LOCKED = {"torch", "torchvision"}

FLOORS = {
    "torch": "2.11",  # CVE-2026-24747 and CVE-2026-4538: loading weights ran code
    "pillow": "12.3",  # CVE-2026-25990, -42311, -40192, -59199, -59204
    "starlette": "1.1",  # CVE-2025-54121, CVE-2026-48818
    "python-multipart": "0.0.27",  # CVE-2026-40347, CVE-2026-42561
}


def ranges(name: str) -> dict[str, Requirement]:
    """Return the ranges that a requirements file is locked from, by package."""
    requirements = [Requirement(line) for line in DECLARED[name]]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def lines(name: str | Path) -> list[str]:
    """Return a file's requirements, each on one line with its hashes and its comment."""
    text = re.sub(r" *\\?\n +", " ", (ROOT / name).read_text(encoding="utf-8"))
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def locked(name: str) -> list[Requirement]:
    return [Requirement(HASH.sub("", line).split("#")[0]) for line in lines(name)]


def pins(name: str, python: str, system: str) -> dict[str, Version]:
    """Return the versions that a requirements file gives to one Python on one system."""
    environment = {"python_version": python, "python_full_version": f"{python}.9"}
    environment |= {"sys_platform": system, "platform_machine": "x86_64"}
    applicable = [
        requirement
        for requirement in locked(name)
        if canonicalize_name(requirement.name) not in NOT_LOCKED
        and (requirement.marker is None or requirement.marker.evaluate(environment))
    ]
    names = [canonicalize_name(requirement.name) for requirement in applicable]
    assert len(names) == len(set(names)), "two versions of one package"
    return {
        package: Version(next(iter(requirement.specifier)).version)
        for package, requirement in zip(names, applicable, strict=True)
    }


@pytest.mark.parametrize("name", DECLARED)
def test_every_range_has_a_lower_and_an_upper_bound(name: str) -> None:
    for package, requirement in ranges(name).items():
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == {">=", "<"}, package


@pytest.mark.parametrize(("package", "floor"), FLOORS.items())
def test_packages_with_known_vulnerabilities_have_a_floor(package: str, floor: str) -> None:
    requirement = ranges("requirements.txt")[package]
    lower = next(item.version for item in requirement.specifier if item.operator == ">=")
    assert Version(lower) >= Version(floor)


@pytest.mark.parametrize("name", DECLARED)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_locked_versions_are_within_their_ranges(name: str, python: str, system: str) -> None:
    """``make lock`` writes them anew."""
    versions = pins(name, python, system)
    assert {
        package: str(versions.get(package))
        for package, requirement in ranges(name).items()
        if package not in NOT_LOCKED and versions.get(package) not in requirement.specifier
    } == {}


@pytest.mark.parametrize("name", DECLARED)
def test_every_version_but_torchs_is_exact_and_none_is_an_address(name: str) -> None:
    for requirement in locked(name):
        package = canonicalize_name(requirement.name)
        if package in NOT_LOCKED:
            assert requirement == ranges(name)[package]
        else:
            assert [item.operator for item in requirement.specifier] == ["=="], package
    for line in lines(name):
        assert not line.startswith("-"), line
        assert "://" not in line
        assert "@" not in line


def test_the_files_agree_on_every_version() -> None:
    # Without markers: a package may be needed on more systems where more is installed.
    serve, full, dev, scale, buckets, *_ = (
        {(item.name, str(item.specifier)) for item in locked(name)} for name in DECLARED
    )
    assert serve < full < dev
    # Otherwise an archive's answers could differ from the app's.
    assert {name for name, _ in serve - scale} == {"python-dateutil"}
    assert buckets < scale


def test_file_without_hashes_lists_the_full_install_and_torch() -> None:
    """Without hashes, because pip asks for all of them or none, and torch's depend on the index."""
    full, plain = ({str(item) for item in locked(f"requirements{s}.txt")} for s in ("-full", ""))
    assert plain == full | {str(ranges("requirements.txt")[name]) for name in NOT_LOCKED}


def test_make_images_and_workflows_install_by_hash() -> None:
    paths = [ROOT / "Makefile", ROOT / "Dockerfile", *ROOT.glob(".github/workflows/*.yml")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    commands = re.findall(r".*(?:pip install|python \$\(INSTALL\)|\$\(HASHED\)).*", text)
    unchecked = [line for line in commands if not re.search("--require-hashes|HASHED", line)]
    assert len(commands) > len(unchecked) == 3
    # Torch, after all else was installed by hash.
    assert all(re.search(r" -r (\S*/)?requirements\.txt$", line) for line in unchecked)


def test_update_bot_watches_every_list() -> None:
    file = ROOT / ".github/dependabot.yml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.dependabot"]
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    updates = yaml.safe_load(file.read_text(encoding="utf-8"))["updates"]
    watched = {
        (update["package-ecosystem"], folder)
        for update in updates
        for folder in update.get("directories", [update.get("directory")])
    }
    locks = {path.parent for path in tracked_files() if path.name == "package-lock.json"}
    npm = {("npm", f"/{folder.relative_to(ROOT).as_posix()}") for folder in locks}
    assert watched == npm | {("pip", "/"), ("docker", "/"), ("github-actions", "/")}


@pytest.mark.parametrize("name", DECLARED)
def test_nothing_that_only_cuda_needs_is_locked(name: str) -> None:
    """Add what is new to ``no-emit-package`` in pyproject.toml."""
    dependents: dict[str, set[str]] = {}
    for line in lines(name):
        requirement, _, via = line.partition("# via ")
        package = canonicalize_name(Requirement(HASH.sub("", requirement)).name)
        if package not in {*NOT_LOCKED, "networkx"}:
            dependents[package] = {parent.split()[0] for parent in via.split(", ")}
    needed = {package for package, parents in dependents.items() if "loupe" in parents}
    while more := {p for p, parents in dependents.items() if parents & needed} - needed:
        needed |= more
    assert dependents.keys() - needed == set()
    assert not [p for p in dependents if p.startswith(("nvidia", "cuda", "triton"))]


def test_app_starts_without_the_full_install() -> None:
    served = {canonicalize_name(item.name) for item in locked("requirements-serve.txt")}
    full = {canonicalize_name(item.name) for item in locked("requirements-full.txt")} | NOT_LOCKED
    hidden = {
        name
        for name, found in packages_distributions().items()
        if {canonicalize_name(item) for item in found} <= full - served
    }
    assert {"torch", "torchvision", "fastai", "timm", "imagehash"} <= hidden
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name in ("api", "ui", "deploy", "streamlit_app.py")
        for path in ([ROOT / name] if name.endswith(".py") else sorted((ROOT / name).rglob("*.py")))
    ]
    code = f"import sys\nsys.modules |= dict.fromkeys({hidden})\nimport {', '.join(modules)}"
    run_python("-c", code)


def test_hosts_find_one_list_of_dependencies() -> None:
    """Community Cloud would prefer a uv.lock, Heroku refuses two lists."""
    for name in ("uv.lock", "poetry.lock", "Pipfile", "Pipfile.lock", "environment.yml"):
        assert not (ROOT / name).exists()
    assert PYPROJECT["tool"]["uv"]["package"] is False
