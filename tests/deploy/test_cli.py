"""``python -m deploy``: list, show, write and check."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.cli import main
from deploy.files import make_files
from deploy.host import Host
from deploy.hosts import hosts
from deploy.package import choose_models
from model.bundle import BUILTIN_DIR, Bundle
from model.settings import ROOT
from tests.model.tiny import tiny


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"COLUMNS": "200"})


def test_list_shows_kind_memory_sleep_and_price() -> None:
    result = call("list")
    assert result.exit_code == 0
    for host in hosts().values():
        (line,) = re.findall(rf"^ {host.name} .*$", result.stdout, re.MULTILINE)
        assert str(host.kind) in line
        assert (f"{host.limits.memory_mb:,} MB" in line) == host.has_server
        assert host.price[:20] in line
    assert "15 minutes" in result.stdout
    assert result.stdout.endswith("More about one: python -m deploy show HOST\n")


def test_list_fits_a_small_terminal() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "deploy", "list"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert all(host in result.stdout for host in hosts())


@pytest.mark.parametrize("host", hosts().values(), ids=lambda host: host.name)
def test_show_prints_everything_known(host: Host) -> None:
    result = call("show", host.name)
    assert result.exit_code == 0
    facts = (
        host.title,
        host.summary,
        host.price,
        *host.list_steps(),
        *host.remark_list,
    )
    for text in (*facts, *make_files(host)):
        assert text in result.stdout
    for source in host.sources:
        assert source.citation in result.stdout or source.facts == "manifest"
    assert "None" not in result.stdout
    assert result.stdout.count("Budget alert: ") == 1
    assert host.update_command() in result.stdout
    assert "Not tried on the host itself" in result.stdout
    for word, meaning in host.placeholders.items():
        assert f"  {word}: {meaning}\n" in result.stdout


def test_show_says_what_limits_the_instances() -> None:
    assert "Max instances: 1, fixed by the host\n" in call("show", "community-cloud").stdout
    shown = call("show", "render").stdout
    assert "Max instances: 1, set by numInstances: 1\nSticky sessions: not available\n" in shown


def test_write_prints_each_file(tmp_path: Path) -> None:
    result = call("write", "fly", "--to", str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout.startswith("Models: the built-in ones")
    assert f"{tmp_path}/fly.toml: written\n" in result.stdout
    assert "python -m deploy show fly" in result.stdout
    assert "fly.toml: unchanged" in call("write", "fly", "--to", str(tmp_path)).stdout


def test_write_refuses_to_replace_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "fly.toml").write_text("mine")
    result = call("write", "fly", "--to", str(tmp_path))
    assert result.exit_code == 2
    assert f"{tmp_path}/fly.toml differs from what would be written" in result.stderr
    assert result.stderr.count("\n") == 1
    assert (tmp_path / "fly.toml").read_text() == "mine"
    assert "replaced" in call("write", "fly", "--to", str(tmp_path), "--force").stdout


def test_write_reports_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "sagemaker").write_text("a file")
    result = call("write", "sagemaker", "--to", str(tmp_path))
    assert result.exit_code == 2
    assert "sagemaker" in result.stderr
    assert "Traceback" not in result.output


def test_own_model_is_written_unless_another_is_named(tiny_bundle: Bundle, tmp_path: Path) -> None:
    result = call("write", "render", "--to", str(tmp_path))
    assert result.exit_code == 0
    assert "Models: tiny: the one that opens here (others: --model NAME)\n" in result.stdout
    copied = f"{tmp_path}/bundles/tiny: copied, version {tiny_bundle.version}\n"
    assert copied in result.stdout
    assert "Next steps: python -m deploy show render --model tiny\n" in result.stdout
    result = call("write", "render", "--to", str(tmp_path), "--model", "imagenet")
    assert f"{tmp_path}/render.yaml: replaced\n" in result.stdout
    assert f"Also in {tmp_path}/bundles, and offered by the app: tiny\n" in result.stdout


def test_new_version_replaces_the_older_one_without_force(
    tiny_bundle: Bundle, shelf: Path, tmp_path: Path
) -> None:
    command = ("write", "community-cloud", "--model", "tiny", "--to", str(tmp_path / "app"))
    call(*command)
    newer = tiny(shelf, title="Colours, again")
    result = call(*command)
    assert result.exit_code == 0
    assert f"updated {tiny_bundle.version} to {newer.version}\n" in result.stdout
    assert re.search(r"the app's own files: \d+ unchanged\n", result.stdout)


def test_placeholders_are_filled_in_files_and_steps(tmp_path: Path) -> None:
    values = ("--set", "REGION=europe-west1", "--set", "PROJECT=mine")
    result = call("write", "cloud-run", "--to", str(tmp_path), *values[:2])
    assert "Replace PROJECT in the files: the project's ID (--set PROJECT=…)\n" in result.stdout
    assert "Replace REGION" not in result.stdout
    # What `check` tells to do next works as it stands.
    assert call("write", "cloud-run", "--to", str(tmp_path), *values).exit_code == 0
    image = "europe-west1-docker.pkg.dev/mine/loupe/loupe:serve"
    assert image in (tmp_path / "service.yaml").read_text()
    shown = call("show", "cloud-run", *values).stdout
    assert f"$ gcloud builds submit --tag {image}\n" in shown
    assert "deploy write cloud-run --set REGION=europe-west1 --set PROJECT=mine\n" in shown
    result = call("write", "cloud-run", "--to", str(tmp_path), "--set", "PLANET=mars")
    assert result.exit_code == 2
    assert "PLANET" in result.stderr
    assert "PROJECT, the project's ID" in result.stderr


@pytest.mark.parametrize("command", ["show", "write"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fly", "--model", "../tiny"), "No model named '../tiny'"),
        (("render", "--learner"), "Leave out --learner"),
    ],
)
def test_what_the_host_cannot_run_is_refused(
    command: str, arguments: tuple[str, ...], message: str, tiny_bundle: Bundle
) -> None:
    result = call(command, *arguments, "--model", "imagenet")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["show", "write", "check"])
def test_unknown_host_is_refused_with_a_list(command: str) -> None:
    result = call(command, "geocities")
    assert result.exit_code == 2
    assert "geocities" in result.stderr
    assert "community-cloud" in result.stderr


def test_check_covers_all_hosts(tmp_path: Path, data_folder: Path) -> None:
    result = call("check", "--all", "--no-start", "--from", str(tmp_path))
    assert result.exit_code == 0
    for host in hosts().values():
        assert f"{host.title} ({host.name})\n" in result.stdout
    assert "failed" not in result.stdout
    assert "start: " not in result.stdout


def test_check_reads_the_files_in_the_folder(tmp_path: Path) -> None:
    call("write", "render", "--to", str(tmp_path))
    command = ("check", "render", "--no-start", "--from", str(tmp_path))
    result = call(*command)
    assert result.exit_code == 0
    assert f"render.yaml: as `write` made it, in {tmp_path}\n" in result.stdout
    file = tmp_path / "render.yaml"
    file.write_text(file.read_text().replace("/api/ready", "/healthz"))
    result = call(*command)
    assert result.exit_code == 1
    assert f"render.yaml: edited since `write` made it, in {tmp_path}\n" in result.stdout
    assert "  failed  health path: '/healthz' in the files, '/api/ready' in the app\n" in (
        result.stdout
    )
    assert "\n          Change it to /api/ready.\n" in result.stdout
    file.write_bytes(b"\xff")
    assert "failed  files: render.yaml can't be read: it is not UTF-8" in call(*command).stdout


def test_check_without_start_finds_a_missing_model_and_another_version(
    tiny_bundle: Bundle, shelf: Path, tmp_path: Path
) -> None:
    for host in ("render", "spaces", "community-cloud", "sagemaker"):
        folder = tmp_path / host
        command = ("check", host, "--no-start", "--from", str(folder))
        call("write", host, "--model", "tiny", "--to", str(folder))
        same = f"  ok      model: 'tiny', version {tiny_bundle.version}, as on this machine; not st"
        assert same in call(*command).stdout
    tiny(shelf, title="Colours, again")
    for host in ("render", "sagemaker"):
        result = call("check", host, "--no-start", "--from", str(tmp_path / host))
        assert result.exit_code == 1
        assert f"  failed  model: 'tiny' is version {tiny_bundle.version}, but on" in result.stdout
    graph = tmp_path / "render/bundles/tiny/graph.onnx"
    graph.write_bytes(bytes(graph.stat().st_size))
    command = ("check", "render", "--no-start", "--from", str(tmp_path / "render"))
    assert "  failed  model: " in call(*command).stdout
    shutil.rmtree(tmp_path / "render/bundles/tiny")
    result = call(*command)
    assert result.exit_code == 1
    assert "  failed  model: the host's files have no model 'tiny'\n" in result.stdout
    assert "          python -m deploy write render --model tiny" in result.stdout


def test_check_and_write_reckon_the_same_memory(shelf: Path, tmp_path: Path) -> None:
    shutil.copytree(BUILTIN_DIR / "clothing", shelf / "mine")
    manifest = (shelf / "mine/bundle.json").read_text()
    (shelf / "mine/bundle.json").write_text(manifest.replace('"clothing"', '"mine"', 1))
    names = ("mine", "imagenet", "clothing")
    options = [option for name in names for option in ("--model", name)]
    assert call("write", "render", *options, "--to", str(tmp_path)).exit_code == 0
    needed = choose_models(names).memory_mb
    assert needed > choose_models(names[:2]).memory_mb
    result = call("check", "render", "--no-start", "--from", str(tmp_path))
    assert f"  ok      memory: 512 MB; the app needs about {needed} MB with its" in result.stdout


def test_check_continues_after_a_host_whose_files_are_broken(tmp_path: Path) -> None:
    (tmp_path / "fly.toml").write_text('vm = [{memory = "300tb"}]')
    result = call("check", "--all", "--no-start", "--from", str(tmp_path))
    assert result.exit_code == 1
    for host in hosts().values():
        assert f"{host.title} ({host.name})\n" in result.stdout
    assert "  failed  files: '300tb' is not an amount of memory" in result.stdout


def test_check_starts_the_app_by_the_files_in_the_folder(tmp_path: Path) -> None:
    call("write", "vps-systemd", "--to", str(tmp_path))
    unit = tmp_path / "systemd/loupe.service"
    unit.write_text(unit.read_text().replace("ExecStart=", "ExecStartPre="))
    result = call("check", "vps-systemd", "--from", str(tmp_path))
    assert result.exit_code == 1
    assert "failed  start: The unit has no ExecStart= line." in result.stdout


@pytest.mark.slow
def test_check_starts_the_app_and_compares_its_answers(tmp_path: Path) -> None:
    here = ("--from", str(tmp_path))
    result = call("check", "render", "--model", "clothing", *here)
    assert result.exit_code == 1
    assert "  failed  model: the app opens 'imagenet', and offers 'clothing'" in result.stdout
    result = call("check", "render", "--model", "imagenet", *here)
    assert result.exit_code == 0
    for subject in ("start", "model", "answers", "memory in use", "end"):
        assert re.search(rf"^  ok      {subject}: ", result.stdout, re.MULTILINE)


def test_check_asks_a_running_app() -> None:
    result = call("check", "--url", "http://127.0.0.1:1/")
    assert result.exit_code == 1
    assert "  failed  app: not reachable: " in result.stdout
    result = call("check", "--url", "loupe.example.org")
    assert result.exit_code == 2
    assert "Write it as https://" in result.stderr
    result = call("check", "--url", "http://127.0.0.1:1/", "--all")
    assert result.exit_code == 2
    assert "leave out --all" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("render", "--all")])
def test_check_requires_one_host_or_all(arguments: tuple[str, ...]) -> None:
    result = call("check", *arguments)
    assert result.exit_code == 2
    assert "Name one host or use --all" in result.stderr


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        (
            "deploy.hosts, deploy.ranking, deploy.files, deploy.check",
            {"streamlit", "torch", "fastai", "sqlalchemy", "pandas", "onnxruntime", "api", "ui"},
        ),
        ("deploy.health", {"yaml", "pydantic", "model", "click"}),
    ],
)
def test_imports_stay_light(modules: str, unwanted: set[str]) -> None:
    code = f"import {modules}, sys; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {name.split(".")[0] for name in loaded.split()} & unwanted
