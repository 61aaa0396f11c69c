"""The app, its commands and some other tests, on the Windows that ``tests.windows`` simulates."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.browser.server import serving
from tests.model.tiny import tiny
from tests.operating.attacks.clients import page_session, post
from tests.python import run_python
from tests.windows import environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="simulates Windows on Linux")


def run(folder: Path, *words: str, status: int = 0) -> str:
    """Run Python with words; return what it prints into a pipe."""
    variables = {**os.environ, **environment(folder)}
    done = run_python(*words, env=variables, check=False, encoding="utf-8")
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("symlink_to('new')", "A required privilege is not held"),
        ("with_name('12:30.txt').touch()", "file name syntax is incorrect"),
        ("open('x'), file.unlink()", "Another process is using the file"),
        ("write_text('猫')", "'charmap' codec can't encode"),
    ],
)
def test_simulation_raises_the_errors_of_windows(tmp_path: Path, code: str, error: str) -> None:
    script = f"import pathlib; file = pathlib.Path({str(tmp_path / 'file')!r}); file.{code}"
    assert error in run(tmp_path, "-c", script, status=1)


def test_visit_with_a_photo_is_answered(tmp_path: Path) -> None:
    app = serving(tmp_path, **environment(tmp_path))  # type: ignore[arg-type]
    with app as server, page_session(server.url) as (_, token):
        assert post(server.url, "/api/v1/identify", token=token) == 200
        assert server.tracebacks() == ""


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("model list", "clothing"),
        ("model identify model/samples/cat.jpg", "tabby"),
        ("model owner", "/owner/"),
        ("deploy list", "cloud-run"),
    ],
)
def test_command_runs(tmp_path: Path, command: str, printed: str) -> None:
    assert printed in run(tmp_path, "-m", *command.split())


def test_import_names_the_supported_systems(tmp_path: Path) -> None:
    printed = run(tmp_path, *"-m model import README.md --name mine".split(), status=2)
    assert "Run this on Linux, on macOS or in WSL" in printed


def test_any_label_is_printed_into_a_file(tmp_path: Path, models_dir: Path) -> None:
    tiny(models_dir, labels=list("猫é3456"))
    printed = run(tmp_path, *"-m model identify model/samples/cat.jpg --json --model tiny".split())
    candidates = json.loads(printed.splitlines()[0])["candidates"]
    assert "猫" in [candidate["label"] for candidate in candidates]


def test_qr_code_is_printed_into_a_file(tmp_path: Path) -> None:
    script = "from launch.serve import print_qr_code; print_qr_code('http://localhost')"
    assert "▄" in run(tmp_path, "-c", script)


@pytest.mark.slow
@pytest.mark.parametrize(
    "test",
    [
        "deploy/test_trial.py::test_app_that_ignores_sigterm_is_killed",
        "model/bundle/test_versions.py::test_current_file_is_complete_at_every_moment",
    ],
)
def test_test_passes(tmp_path: Path, test: str) -> None:
    run(tmp_path, "-m", "pytest", f"tests/{test}", "-p", "no:cacheprovider")
