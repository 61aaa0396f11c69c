"""The start of the app as each host does it, its answers there and its memory; free ports."""

import json
import os
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy import client
from deploy.check import check_host
from deploy.client import Reply, free_port
from deploy.files import read_files, write_files
from deploy.host import Host, Limits, Start
from deploy.hosts import HOSTS
from deploy.results import CheckResult, ExpectedModel
from deploy.spec import DeployError, choose_models
from deploy.trial import (
    StartedApp,
    find_difference,
    get_candidates,
    peak_memory_mb,
    read_start_settings,
    run_trial,
)
from model import Bundle, Classifier
from model.settings import ROOT
from tests.model.tiny import colour, tiny

RENDER = HOSTS["render"]
STUB = """
import http.server, os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(STATUS); self.end_headers(); self.wfile.write(b'DOCUMENT')
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"])); ANSWER
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
MUTE = """
import os, socket, time
with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))):
    time.sleep(60)
"""


def stub(status: int = 200, document: str = "{}", answer: str = "") -> str:
    """Return an app that ignores SIGTERM, and gives one response."""
    code = STUB.replace("STATUS", str(status)).replace("DOCUMENT", document)
    return code.replace("ANSWER", answer)


def make_host(*command: str, start_seconds: int = 20) -> Host:
    limits = Limits(memory_mb=512, start_seconds=start_seconds)
    return replace(RENDER, start=Start(command=command), limits=limits)


def start(
    scratch: Path,
    *command: str,
    folder: Path = ROOT,
    settings: Mapping[str, str] = {},
    start_seconds: int = 20,
) -> CheckResult:
    """Start a command, wait until it is ready and stop it; return the result."""
    app = StartedApp(make_host(*command, start_seconds=start_seconds), settings, folder, scratch)
    try:
        result, _ = app.wait_until_ready()
    finally:
        app.stop(1)
    assert app.process.returncode is not None
    return result


def check(host: Host, folder: Path, model: str | None = None) -> dict[str, CheckResult]:
    """Start the app as the host does; return the results by subject, without notes."""
    results = check_host(host, folder, model)
    return {
        result.subject: result
        for result in results
        if result.state != "note" and result.subject != "settings"
    }


def write_deployment(
    host: Host, folder: Path, bundle: Bundle, edits: Mapping[str, str] = {}
) -> None:
    """Write the files with the bundle, and edit them."""
    write_files(host, folder, choose_models((bundle.name,)), force=True)
    for path, text in read_files(host, folder).items():
        for before, after in edits.items():
            text = text.replace(before, after)
        (folder / path).write_text(text)


def test_memory_in_the_files_that_is_no_number_is_refused() -> None:
    texts = {"render.yaml": "- key: LOUPE_MEMORY_MB\n  value: much"}
    with pytest.raises(DeployError, match="'much' in the files, not a number"):
        read_start_settings(RENDER, texts)


def make_repository(folder: Path, entrypoint: str) -> None:
    """Make a folder one that can run the app itself."""
    for name in ("streamlit_app.py", "deploy/entrypoint.sh", "model/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(entrypoint if name.endswith(".sh") else "")
    (folder / "deploy/entrypoint.sh").chmod(0o755)


def test_own_code_of_a_repository_runs(tmp_path: Path, tiny_bundle: Bundle) -> None:
    folder = tmp_path / "My Code"
    write_deployment(RENDER, folder, tiny_bundle)
    make_repository(folder, "#!/bin/sh\necho $PWD $LOUPE_BUNDLES\nexit 3\n")
    results = check(RENDER, folder)
    assert list(results) == ["start"]
    assert "./deploy/entrypoint.sh app: exited with 3" in results["start"].message
    assert results["start"].fix == f"Output: {folder} {folder}/bundles"


@pytest.mark.parametrize(
    ("command", "seconds", "message", "fix"),
    [
        (("sh", "-c", "echo no such thing; exit 3"), 20, "exited with 3", "no such thing"),
        (("sleep", "60"), 1, "not ready in 1 s", ""),
        ((sys.executable, "-c", MUTE), 1, "not ready in 1 s", ""),
        (
            (sys.executable, "-c", stub(503, '{"code": "golden-mismatch"}')),
            20,
            "never ready: golden-mismatch",
            "Last reply: {",
        ),
    ],
)
def test_start_that_fails_says_why(
    command: tuple[str, ...], seconds: int, message: str, fix: str, tmp_path: Path
) -> None:
    result = start(tmp_path, *command, start_seconds=seconds)
    assert result.state == "failed"
    assert message in result.message
    assert fix in result.fix


def test_start_fails_when_the_command_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="can't be run: No such file"):
        start(tmp_path, "/nowhere/entrypoint.sh")


def test_app_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    assert start(tmp_path, sys.executable, "-c", stub()).state == "ok"


def test_start_hides_the_settings_and_secrets_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOUPE_TITLE", "mine")
    monkeypatch.setenv("AIP_HTTP_PORT", "1")
    folder, scratch = tmp_path / "folder", tmp_path / "scratch"
    make_repository(folder, "")
    scratch.mkdir()
    (folder / ".streamlit").mkdir()
    secrets = 'LOUPE_MODEL = "mine"\nLOUPE_DATABASE = "sqlite://"\nLOUPE_BATCH = 3\nA = 1'
    (folder / ".streamlit/secrets.toml").write_text(secrets)
    output = tmp_path / "environment"
    command = ("sh", "-c", f"env > {output}; exit 1")
    start(scratch, *command, folder=folder, settings={"LOUPE_MODEL": "theirs"})
    names = dict(line.split("=", 1) for line in output.read_text().splitlines() if "=" in line)
    assert not {"LOUPE_TITLE", "AIP_HTTP_PORT"} & set(names)
    assert names["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    hidden = {"LOUPE_MODEL": "theirs", "LOUPE_DATABASE": "", "LOUPE_BATCH": "1000"}
    assert hidden.items() | {("LOUPE_DATA", str(scratch / "data"))} <= names.items()


def test_peak_memory_of_a_process() -> None:
    assert peak_memory_mb(os.getpid()) > 20
    assert peak_memory_mb(2**22 - 1) == 0


DISTINCT = {
    (host.start.command, host.start.port_variable): host
    for host in HOSTS.values()
    if host.has_server and host.start.command
}
"""One host for each command and variable of its port."""


@pytest.mark.slow
@pytest.mark.parametrize("host", DISTINCT.values(), ids=lambda host: host.name)
def test_app_opens_the_owners_model_and_answers_as_on_this_machine(
    host: Host, tmp_path: Path, tiny_bundle: Bundle
) -> None:
    values = dict.fromkeys(host.placeholders, "x")
    write_deployment(host, tmp_path, tiny_bundle, values)
    results = check(host, tmp_path)
    assert list(results) == ["start", "model", "answers", "memory in use"]
    assert {result.state for result in results.values()} == {"ok"}, results
    assert f"'tiny', version {tiny_bundle.version}" in results["model"].message
    assert "5 of 5 sample photos answered as here" in results["answers"].message
    assert " MB after 1 model" in results["memory in use"].message
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.slow
def test_app_with_the_built_in_models_fits_the_smallest_host(tmp_path: Path) -> None:
    results = check(RENDER, tmp_path)
    assert {result.state for result in results.values()} == {"ok"}, results
    assert "'imagenet'" in results["model"].message
    assert " of 512 MB after 2 models" in results["memory in use"].message


@pytest.mark.slow
def test_model_that_is_not_in_the_files_is_missing(tmp_path: Path, tiny_bundle: Bundle) -> None:
    write_deployment(RENDER, tmp_path, tiny_bundle)
    shutil.rmtree(tmp_path / "bundles")
    start, model = check(RENDER, tmp_path).values()
    assert "never ready: no-such-model" in start.message
    assert model.message == "the host's files have no model 'tiny'"
    assert model.fix.startswith("python -m deploy write render --model tiny")


@pytest.mark.slow
def test_host_with_too_little_memory_fails(tmp_path: Path, tiny_bundle: Bundle) -> None:
    host = HOSTS["vps-compose"]
    write_deployment(host, tmp_path, tiny_bundle, {"'1024'": "'128'"})
    tiny(tmp_path / "bundles", "another")
    result = check(host, tmp_path)["memory in use"]
    assert result.state == "failed"
    assert " MB of 128 MB after 2 models" in result.message
    assert "plan, or deploy fewer models" in result.fix


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ('self.send_response(200); self.end_headers(); self.wfile.write(b"{}")', ": 200 {}"),
        ("os._exit(1)", "the app stopped responding: "),
    ],
)
def test_app_that_does_not_answer_photos_fails(
    answer: str, message: str, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    document = json.dumps({"model": "tiny", "version": tiny_bundle.version, "models": []})
    host = make_host(
        sys.executable, "-c", stub(200, document, answer).replace("SIG_IGN", "SIG_DFL")
    )
    expected = ExpectedModel.find("tiny", "the host's files have", host)
    trial = run_trial(host, {"LOUPE_MEMORY_MB": "512"}, tmp_path, expected)
    results = {result.subject: result for result in trial}
    assert results["model"].state == "ok"
    assert results["answers"].state == "failed"
    assert message in results["answers"].message


@pytest.mark.parametrize(
    "document", [{}, [], {"predictions": []}, {"candidates": [1]}, {"candidates": [{"label": "a"}]}]
)
def test_candidates_are_found_in_every_protocol(document: Any) -> None:
    answer = {"candidates": [{"label": "a", "probability": 1}]}
    for found in (answer, {"predictions": [answer]}):
        assert get_candidates(Reply(200, json.dumps(found))) == {"a": 1.0}
    assert get_candidates(Reply(200, json.dumps(document))) == {}


def test_answer_is_compared_with_all_probabilities(colours: Classifier) -> None:
    prediction = colours.identify(colour("red"))
    same = {candidate.label: candidate.probability for candidate in prediction.top(6)}
    label, probability = next(iter(same.items()))
    assert find_difference({key: share + 9e-5 for key, share in same.items()}, prediction) == ""
    assert find_difference(same | {label: probability + 2e-4}, prediction).startswith(f"{label} ")
    assert find_difference(same | {label: float("nan")}, prediction)
    fewer = {key: share for key, share in same.items() if key != label}
    assert "5 labels, here 6" in find_difference(fewer, prediction)
    assert find_difference(fewer | {"pink": probability}, prediction)


def test_free_port_skips_one_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("", 0)) as server:
        taken = server.getsockname()[1]
        assert taken < free_port(taken) < taken + 50
        monkeypatch.setattr(client, "ATTEMPTS", 1)
        with pytest.raises(OSError, match=f"Ports {taken} to {taken} are all in use"):
            free_port(taken)
    with socket.create_server(("127.0.0.1", free_port())):
        pass
