"""The trial of a started app: its model, its answers and its memory."""

import shutil
import sys
from pathlib import Path

import pytest

from deploy.check import check_host
from deploy.comparison import CheckResult, State, find_expected
from deploy.host import Host
from deploy.hosts import HOSTS
from deploy.start import StartPlan
from deploy.trial import run_trial
from model import Bundle
from tests.deploy.deployment import write_deployment
from tests.model.tiny import tiny

SUBJECTS = ["start", "model", "answers", "memory in use"]

STUB = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"model": "tiny", "version": "VERSION", "models": []}'
        self.send_response(200); self.end_headers(); self.wfile.write(body)
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"])); ANSWER
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def check(host: Host, folder: Path, model: str | None = None) -> dict[str, CheckResult]:
    """Start the app as the host does; return the results by subject, without notes."""
    results = check_host(host, folder, model)
    return {
        result.subject: result
        for result in results
        if result.state is not State.NOTE and result.subject != "settings"
    }


DISTINCT = {
    (host.start.command, host.start.port_variable, *host.start.environment): host
    for host in HOSTS.values()
    if host.has_server and host.start.command
}
"""One host for each distinct start."""


@pytest.mark.slow
@pytest.mark.parametrize("host", DISTINCT.values(), ids=lambda host: host.name)
def test_app_opens_the_owners_model_and_answers_as_on_this_machine(
    host: Host, tmp_path: Path, tiny_bundle: Bundle
) -> None:
    values = dict.fromkeys(host.placeholders, "x")
    write_deployment(host, tmp_path, tiny_bundle, values)
    results = check(host, tmp_path)
    assert list(results) == SUBJECTS
    assert {result.state for result in results.values()} == {State.OK}, results
    assert f"'tiny', version {tiny_bundle.version}" in results["model"].message
    assert "5 of 5 sample photos answered as here" in results["answers"].message
    assert " MB after 1 model" in results["memory in use"].message
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.slow
def test_app_with_the_built_in_models_fits_the_smallest_host(tmp_path: Path) -> None:
    results = check(HOSTS["render"], tmp_path)
    assert {result.state for result in results.values()} == {State.OK}, results
    assert "'imagenet'" in results["model"].message
    assert " of 512 MB after 2 models" in results["memory in use"].message


@pytest.mark.slow
def test_model_that_is_not_in_the_files_is_missing(tmp_path: Path, tiny_bundle: Bundle) -> None:
    host = HOSTS["render"]
    write_deployment(host, tmp_path, tiny_bundle)
    shutil.rmtree(tmp_path / "bundles")
    results = check(host, tmp_path)
    assert list(results) == ["start", "model"]
    assert "never ready: no-such-model" in results["start"].message
    assert results["model"].message == "the host's files have no model 'tiny'"
    assert results["model"].fix.startswith("python -m deploy write render --model tiny")


@pytest.mark.slow
def test_host_with_too_little_memory_fails(tmp_path: Path, tiny_bundle: Bundle) -> None:
    host = HOSTS["vps-compose"]
    edits = {"'1024'": "'128'"}
    write_deployment(host, tmp_path, tiny_bundle, edits)
    tiny(tmp_path / "bundles", "another")
    results = check(host, tmp_path)
    assert results["memory in use"].state is State.FAILED
    assert " MB of 128 MB after 2 models" in results["memory in use"].message
    assert "plan, or deploy fewer models" in results["memory in use"].fix


def test_own_code_of_a_repository_runs(tmp_path: Path, tiny_bundle: Bundle) -> None:
    host = HOSTS["render"]
    write_deployment(host, tmp_path, tiny_bundle)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/__init__.py").touch()
    (tmp_path / "streamlit_app.py").touch()
    (tmp_path / "deploy").mkdir()
    entrypoint = tmp_path / "deploy/entrypoint.sh"
    entrypoint.write_text("#!/bin/sh\necho $PWD $LOUPE_BUNDLES\nexit 3\n")
    entrypoint.chmod(0o755)
    results = check(host, tmp_path)
    assert list(results) == ["start"]
    assert "./deploy/entrypoint.sh app: exited with 3" in results["start"].message
    assert results["start"].fix == f"Output: {tmp_path} {tmp_path}/bundles"


@pytest.mark.parametrize(
    ("post", "message"),
    [
        ('self.send_response(200); self.end_headers(); self.wfile.write(b"{}")', ": 200 {}"),
        pytest.param(
            "self.send_error(500, explain='out of order')", ": 500 ", marks=pytest.mark.slow
        ),
        ("os._exit(1)", "the app stopped responding: "),
    ],
)
def test_app_that_does_not_answer_photos_fails(
    post: str, message: str, tiny_bundle: Bundle
) -> None:
    code = STUB.replace("VERSION", tiny_bundle.version).replace("ANSWER", post)
    command = (sys.executable, "-c", code)
    plan = StartPlan(command, {}, "PORT", memory_mb=512, timeout_seconds=20, stop_seconds=5)
    expected = find_expected("tiny", "the host's files have", HOSTS["render"])
    results = {result.subject: result for result in run_trial(HOSTS["render"], plan, expected)}
    assert results["model"].state is State.OK
    assert results["answers"].state is State.FAILED
    assert message in results["answers"].message
