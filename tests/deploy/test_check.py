"""The check of a host's files: placeholders, settings, model."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.check import check_host, check_placeholders, check_settings
from deploy.comparison import CheckResult, State
from deploy.files import write_files
from deploy.host import Host
from deploy.hosts import HOSTS
from tests.tools import require_tool


def check(host: Host, folder: Path, model: str | None = None) -> dict[str, CheckResult]:
    """Check without a start; return the results by subject, each failure with a fix."""
    results = list(check_host(host, folder, model, start=False))
    assert all(result.fix for result in results if result.state is State.FAILED)
    return {result.subject: result for result in results}


def test_placeholder_fails_with_its_line_and_description() -> None:
    text = "services:\n- image: REGION-docker.pkg.dev/PROJECT/x # REGION\n"
    results = list(check_placeholders(HOSTS["cloud-run"], {"service.yaml": text}))
    assert [f"{result.subject}: {result.message}" for result in results] == [
        "service.yaml, line 2: REGION is still a placeholder",
        "service.yaml, line 2: PROJECT is still a placeholder",
    ]
    assert {result.state for result in results} == {State.FAILED}
    fix = "Replace it with the project's ID, or run `write` with --set PROJECT=…"
    assert results[1].fix == fix


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_every_placeholder_of_a_written_file_is_found(host: Host) -> None:
    results = check_placeholders(host, host.make_files())
    assert {result.message.split()[0] for result in results} == set(host.placeholders_in_files())


def test_setting_that_the_app_does_not_have_fails() -> None:
    (result,) = check_settings({"LOUPE_LOGS": "json", "SPACE_ID": "x"})
    assert (result.state, result.message) == (State.FAILED, "Loupe has no setting named LOUPE_LOGS")
    (result,) = check_settings({"LOUPE_LOG": "json"})
    assert result.state is State.OK


def test_files_are_read_from_the_folder(tmp_path: Path, data_folder: Path) -> None:
    host = HOSTS["render"]
    assert "checked as `write` would make it" in check(host, tmp_path)["render.yaml"].message
    write_files(host, tmp_path)
    assert check(host, tmp_path)["settings"].message == "LOUPE_LOG, LOUPE_MEMORY_MB"
    file = tmp_path / "render.yaml"
    file.write_text(file.read_text().replace("LOUPE_LOG", "LOUPE_LOGS"))
    assert check(host, tmp_path)["settings"].state is State.FAILED
    file.write_bytes(b"\xff")
    result = check(host, tmp_path)["files"]
    assert result.message == "render.yaml can't be read: it is not UTF-8 text."
    assert "python -m deploy write render --force" in result.fix


def test_model_that_is_not_on_this_machine_fails(tmp_path: Path, data_folder: Path) -> None:
    result = check(HOSTS["render"], tmp_path, "mushrooms")["model"]
    assert result.state is State.FAILED
    assert "'mushrooms'" in result.message
    assert "--model" in result.fix


def test_compose_file_matches_the_compose_specification(tmp_path: Path) -> None:
    """Docker itself is too large a tool for a test."""
    file = tmp_path / "compose.yaml"
    file.write_text(HOSTS["vps-compose"].make_files()["compose.yaml"])
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_caddyfile_is_valid_formatted_and_retries_without_health_checks(tmp_path: Path) -> None:
    caddy = require_tool("caddy")
    text = HOSTS["vps-compose"].make_files()["Caddyfile"]
    (tmp_path / "Caddyfile").write_text(text)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SITE": "loupe.example.org"}
    for command in (["fmt", "--diff"], ["validate", "--adapter", "caddyfile", "--config"]):
        done = subprocess.run(
            [caddy, *command, "Caddyfile"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "lb_try_duration 15s" in text
    assert "health_uri" not in text
