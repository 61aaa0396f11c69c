"""The Dockerfile: its stages, what enters the images, who runs them."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy import health
from deploy.check.dockerfile import command, environment, read, resolved
from deploy.errors import Unreadable
from deploy.spec import APP
from model.settings import ROOT, Settings

DOCKERFILE = ROOT / "Dockerfile"
STAGES = read()


def copied(stage: str) -> list[str]:
    """What a stage takes from the repository."""
    lines = STAGES[stage].all("COPY")
    return [
        word.rstrip("/") for line in lines if "--from" not in line for word in line.split()[:-1]
    ]


def allowed() -> list[str]:
    """What .dockerignore lets in."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line[1:].rstrip("/") for line in lines if line.startswith("!")]


def test_there_are_two_images_and_the_light_one_is_the_default() -> None:
    assert list(STAGES)[-1] == APP.serve
    assert {APP.serve, APP.full} <= set(STAGES)
    for name, wanted in {APP.serve: APP.light, APP.full: APP.everything}.items():
        installs = " ".join(STAGES[name].all("RUN"))
        assert f"-r {wanted} " in installs
        assert copied(name) == [wanted]
    assert "torch" not in " ".join(STAGES[APP.serve].all("RUN"))


def test_the_base_is_small_and_of_the_described_python() -> None:
    assert STAGES["base"].base == "python:${PYTHON}-slim"
    assert f"ARG PYTHON={APP.python}" in DOCKERFILE.read_text()


@pytest.mark.parametrize("name", [APP.serve, APP.full])
def test_nobody_runs_it_as_root_by_default(name: str) -> None:
    stage = resolved(STAGES, name)
    assert stage.all("USER") == ["${RUN_AS}"]
    assert stage.all("ARG")[-1] == "RUN_AS=loupe"
    assert stage.instructions[-1][0] == "USER"
    # The number that Hugging Face Spaces runs containers with.
    assert "--uid 1000 loupe" in " ".join(stage.all("RUN"))


@pytest.mark.parametrize("name", [APP.serve, APP.full])
def test_the_image_starts_checks_and_ends_as_described(name: str) -> None:
    stage = resolved(STAGES, name)
    assert command(stage) == ["/app/deploy/entrypoint.sh", "app"]
    assert command(stage, ("serve",)) == ["/app/deploy/entrypoint.sh", "serve"]
    assert environment(stage)["LOUPE_DATA"] == APP.data
    assert stage.all("EXPOSE") == [str(APP.port)]
    assert stage.all("STOPSIGNAL") == ["SIGTERM"]
    checked = stage.all("HEALTHCHECK")[0]
    assert 'CMD ["python", "-m", "deploy.health"]' in checked
    assert "curl" not in checked
    assert APP.ready == health.READY


def test_everything_that_is_copied_is_there_and_let_in() -> None:
    sources = [source for stage in STAGES for source in copied(stage)]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
    assert set(sources) == set(allowed())


def test_every_room_that_the_app_imports_is_in_the_image() -> None:
    inside = set(copied("code"))
    rooms = {"model", "ui", "api", "pages", "deploy"}
    assert rooms <= inside
    for room in rooms:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                assert not {name.split(".")[0] for name in names} & {"benchmarks", "tests"}, path
    assert {"streamlit_app.py", ".streamlit/config.toml"} <= inside


def test_what_stays_out_stays_out() -> None:
    """The list names what comes in; secrets, data and history have no way."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if line and not line.startswith("#")) == "*"
    for name in (".git", ".env", ".streamlit/secrets.toml", ".streamlit", "tests", ".venv"):
        assert name not in allowed()


def test_no_secret_is_in_the_dockerfile() -> None:
    text = DOCKERFILE.read_text()
    for name in APP.secrets:
        assert name not in text
    assert not re.search(r"(?i)(password|secret|token)\s*=", text)


def test_settings_in_the_image_are_settings() -> None:
    known = {f"LOUPE_{name.upper()}" for name in Settings.model_fields}
    named = {n for n in environment(resolved(STAGES, APP.serve)) if n.startswith("LOUPE_")}
    assert named <= known


def test_postgresql_is_installed_as_the_tests_have_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["postgres"] == [APP.postgresql]
    assert DOCKERFILE.read_text().count(f'"{APP.postgresql}"') == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("RUN true\n", "has no stage"),
        ("FROM a AS base\nENTRYPOINT run\n", "needs ENTRYPOINT"),
        ("FROM a AS base\n", "needs ENTRYPOINT"),
    ],
)
def test_a_dockerfile_without_a_start_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(text)
    with pytest.raises(Unreadable, match=says):
        command(read(tmp_path / "Dockerfile")["base"])


def test_a_stage_that_is_not_there_is_refused() -> None:
    with pytest.raises(Unreadable, match="no stage 'huge', only base, code, full, serve"):
        resolved(STAGES, "huge")


def test_no_dockerfile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="cannot be read"):
        read(tmp_path / "Dockerfile")


def test_an_instruction_may_take_several_lines(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        'from a as x\nFROM a AS base\n# ENTRYPOINT ["no"]\nENV A=1 \\\n    B="2 3"\n'
        'FROM base\nentrypoint ["run"]\nCMD ["now"]\n'
    )
    stages = read(tmp_path / "Dockerfile")
    last = resolved(stages, list(stages)[-1])
    assert environment(last) == {"A": "1", "B": "2 3"}
    assert command(last) == ["run", "now"]


def test_importing_deploy_loads_nothing_heavy() -> None:
    rooms = "deploy, deploy.hosts, deploy.ranking, deploy.files, deploy.check.checking"
    code = f"import {rooms}, sys\n"
    loaded = subprocess.run(
        [sys.executable, "-c", f"{code}print(*sys.modules, sep='\\n')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    heavy = {"streamlit", "torch", "fastai", "sqlalchemy", "pandas", "onnxruntime", "api", "ui"}
    assert set(loaded) & heavy == set()
    quick = subprocess.run(
        [sys.executable, "-c", "import deploy.health, sys; print(*sys.modules, sep='\\n')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {name.split(".")[0] for name in quick} & {"yaml", "pydantic", "model", "click"}
