"""The check of a host's files: what fails, what passes, and which validators run."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.check import CheckResult, State, check_files, check_placeholders
from deploy.files import make_files
from deploy.host import Host
from deploy.hosts import get_host, hosts
from model.settings import ROOT
from tests.tools import require_tool


def failures(host: Host, texts: dict[str, str]) -> dict[str, str]:
    """Return the messages of failed checks by subject; each failure has a fix."""
    failed = [result for result in check_files(host, texts) if result.state is State.FAILED]
    assert all(result.fix for result in failed)
    return {result.subject: result.message for result in failed}


def edit(host: Host, before: str, after: str) -> dict[str, str]:
    """Return the host's files with one edit."""
    texts = make_files(host)
    assert any(before in text for text in texts.values())
    return {path: text.replace(before, after) for path, text in texts.items()}


@pytest.mark.parametrize(
    ("name", "before", "after", "subject", "message"),
    [
        ("render", "/api/ready", "/healthz", "health path", "'/healthz' in the files"),
        ("vertex", "/vertex/health", "/healthz", "health path", "'/healthz' in the files"),
        ("render", "numInstances: 1", "numInstances: 10", "instances", "`numInstances: 1` is miss"),
        ("cloud-run", "maxScale: '1'", "maxScale: '100'", "instances", "is missing"),
        ("sagemaker", '"MaxCapacity": 1', '"MaxCapacity": 9', "instances", "is missing"),
        ("render", "LOUPE_LOG", "LOUPE_LOGS", "settings", "no setting named LOUPE_LOGS"),
        ("fly", '"512mb"', '"300tb"', "files", "not an amount of memory"),
        (
            "vps-systemd",
            "MemoryMax=1024M",
            "MemoryMax=infinity",
            "files",
            "not an amount of memory",
        ),
        ("fly", "512mb", "256mb", "memory", "256 MB; the app needs about 350 MB"),
        ("vps-compose", "mem_limit: 1024m", "mem_limit: 200000k", "memory", "195 MB"),
        ("cloud-run", "1024Mi", "256Mi", "memory", "256 MB"),
        ("cloud-run", "value: '1024'", "value: '8192'", "memory setting", "host grants 1024 MB"),
        ("render", "value: '512'", "value: '1024'", "memory setting", "MB is 1024, but the host"),
        ("fly", "internal_port = 8501", "internal_port = 8080", "port", "'8080' in the files"),
        ("spaces", "app_port: 8501", "app_port: 7860", "port", "'7860' in the files"),
        ("vps-compose", "'8501'", "'8000'", "port", "'8000' in the files"),
        ("spaces", "app_port: 8501\n", "", "port", "'None' in the files"),
        ("spaces", "---\n", "", "port", "'None' in the files"),
        ("render", "services:", "services: [", "files", "render.yaml can't be read"),
    ],
)
def test_wrong_value_fails(name: str, before: str, after: str, subject: str, message: str) -> None:
    host = get_host(name)
    assert message in failures(host, edit(host, before, after))[subject]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("vps-compose", "    - data:/data", "    - ./x:/x\n    - data:/data"),
        ("vps-systemd", "[Service]", "; mine\n[Service]\nEnvironment=LOUPE_MODEL=mine"),
        ("fly", "512mb", "1gb"),
        ("cloud-init", "write_files:", "write_files:\n- path: /etc/motd"),
    ],
)
def test_equivalent_edit_passes(name: str, before: str, after: str) -> None:
    host = get_host(name)
    assert failures(host, edit(host, before, after)) == {}


def placeholders(
    name: str, words: dict[str, str], existing: dict[str, str], *, others: bool = False
) -> list[CheckResult]:
    """Check files for placeholders; ``others`` are those that were not written."""
    host = replace(get_host(name), placeholders=words)
    generated = make_files(host) if others else existing
    return list(check_placeholders(host, existing, generated))


def test_placeholder_fails_with_its_line_and_what_to_put() -> None:
    text = "services:\n- name: YOUR-APP\n  image: REGION-docker.pkg.dev/PROJECT/x # REGION\n"
    words = {"YOUR-APP": "the app's name", "REGION": "the region", "PROJECT": "the project's name"}
    results = placeholders("render", words, {"render.yaml": text})
    assert [f"{result.subject}: {result.message}" for result in results] == [
        "render.yaml, line 2: YOUR-APP is still a placeholder",
        "render.yaml, line 3: REGION is still a placeholder",
        "render.yaml, line 3: PROJECT is still a placeholder",
    ]
    assert {result.state for result in results} == {State.FAILED}
    assert results[0].fix == "Replace it with the app's name, or run `write` with --set YOUR-APP=…"


@pytest.mark.parametrize(
    "line",
    [
        "# Replace NAME.",
        "  ; NAME=x",
        "name: app # not NAME",
        "<!-- NAME -->",
        "NAMES: AWS_NAME MY_NAME2",
        "name: Name",
    ],
)
def test_comments_and_longer_words_are_not_placeholders(line: str) -> None:
    assert placeholders("render", {"NAME": "a name"}, {"render.yaml": f"{line}\n"}) == []


def test_longer_placeholder_is_not_two() -> None:
    words = {"YOU": "your account", "YOU/loupe": "your repository"}
    (result,) = placeholders("render", words, {"render.yaml": "url: YOU/loupe\n"})
    assert result.message == "YOU/loupe is still a placeholder"


@pytest.mark.parametrize("host", hosts().values(), ids=lambda host: host.name)
def test_every_placeholder_of_a_written_file_is_found(host: Host) -> None:
    texts = make_files(host)
    words = {result.message.split()[0] for result in check_placeholders(host, texts, texts)}
    assert words == set(host.placeholders_in_files())


def test_placeholder_in_a_file_inside_cloud_init_fails() -> None:
    host = get_host("cloud-init")
    (path, text), *_ = make_files(host).items()
    failed = [result.subject for result in check_placeholders(host, {path: text}, {path: text})]
    lines = enumerate(text.splitlines(), 1)
    nested = next(number for number, line in lines if line.endswith("YOUR.DOMAIN {"))
    assert f"{path}, line {nested}" in failed


def test_example_of_a_domain_fails_like_a_placeholder() -> None:
    host = get_host("vps-systemd")
    assert "--set YOUR.DOMAIN=loupe.example.org" in " ".join(host.list_steps())
    texts = make_files(host, values={"YOUR.DOMAIN": "loupe.example.org"})
    (result,) = check_placeholders(host, texts, texts)
    assert result.state is State.FAILED
    assert result.message == "loupe.example.org is an example"
    for domain in ("example.org.mushrooms.net", "my-example.org", "mushrooms.net"):
        texts = make_files(host, values={"YOUR.DOMAIN": domain})
        assert list(check_placeholders(host, texts, texts)) == []


def test_placeholders_of_files_that_are_not_written_are_noted() -> None:
    words = {"REGION": "the region", "PROJECT": "the project", "STEP": "only in the steps"}
    (note,) = placeholders("cloud-run", words, {}, others=True)
    assert note.state is State.NOTE
    assert note.message == "to be replaced once the files are written: REGION, PROJECT"
    assert placeholders("cloud-run", {}, {}, others=True) == []


@pytest.mark.parametrize(
    ("tool", "name", "before", "after", "path", "message"),
    [
        ("caddy", "vps-compose", "max_size", "max_sizzle", "Caddyfile", "max_sizzle"),
        ("caddy", "cloud-init", "reverse_p", "rev_p", "/etc/caddy/Caddyfile", "rev_proxy"),
        (
            *("systemd-analyze", "vps-systemd", "NoNewPrivileges", "NoPrivileges"),
            *("systemd/loupe.service", "Unknown key"),
        ),
    ],
)
def test_validator_reports_a_mistake(
    tool: str, name: str, before: str, after: str, path: str, message: str
) -> None:
    require_tool(tool)
    host = get_host(name)
    assert message in failures(host, edit(host, before, after))[path]


def test_validator_that_is_not_installed_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    results = {result.subject: result for result in check_files(get_host("cloud-init"))}
    assert results["cloud-init.yaml"].state is State.NOTE
    assert results["cloud-init.yaml"].message == "not validated: cloud-init is not installed"


@pytest.mark.parametrize(("code", "state"), [(0, State.OK), (15, State.FAILED)])
def test_validator_runs_on_a_copy_of_the_file(
    code: int, state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(
        f'#!/bin/sh\n[ "$SITE" ] && grep -q "^services:" "$3" || exit 1\n'
        f'echo "$1 $2 $3 $4 $5" >&2\nexit {code}\n'
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    results = {result.subject: result for result in check_files(get_host("vps-compose"))}
    assert results["compose.yaml"].state is state
    expected = "compose --file compose.yaml config --quiet" if code else "valid for docker"
    assert results["compose.yaml"].message == expected


def test_validator_with_a_login_is_named() -> None:
    (note,) = [result for result in check_files(get_host("fly")) if result.state is State.NOTE]
    assert note.message == "not validated; with a login, run: fly config validate"


def test_compose_file_matches_the_compose_specification(tmp_path: Path) -> None:
    """Docker itself is too large a tool for a test."""
    file = tmp_path / "compose.yaml"
    file.write_text(make_files(get_host("vps-compose"))["compose.yaml"])
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_systemd_rates_the_unit_as_safe(tmp_path: Path) -> None:
    analyze = require_tool("systemd-analyze")
    unit = tmp_path / "loupe.service"
    text = make_files(get_host("vps-systemd"))["systemd/loupe.service"]
    unit.write_text(text.replace("/opt/loupe", str(ROOT)))
    done = subprocess.run(
        [analyze, "security", "--offline=yes", "--threshold=25", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    # Exposure of at most 2.5 of 10: "OK".
    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("name", ["vps-compose", "vps-systemd"])
def test_caddyfile_is_formatted_and_retries_without_health_checks(
    name: str, tmp_path: Path
) -> None:
    caddy = require_tool("caddy")
    texts = make_files(get_host(name))
    text = next(text for path, text in texts.items() if path.endswith("Caddyfile"))
    (tmp_path / "Caddyfile").write_text(text)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run([caddy, "fmt", "--diff", "Caddyfile"], cwd=tmp_path, env=environment, check=True)
    assert "lb_try_duration 15s" in text
    assert "health_uri" not in text
