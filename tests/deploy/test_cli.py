"""``python -m deploy``: list, show, write and check."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.cli import main
from deploy.host import Host
from deploy.hosts import HOSTS
from model.bundle import Bundle
from tests.python import run_python

WRITES = ("show", "write")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"COLUMNS": "200"})


def test_list_shows_kind_memory_sleep_and_price() -> None:
    result = call("list")
    assert result.exit_code == 0
    for host in HOSTS.values():
        ((line, price),) = re.findall(rf"^({host.name} .*)\n  (\S.*)$", result.stdout, re.MULTILINE)
        assert str(host.kind) in line
        assert (f"{host.limits.memory_mb:,} MB" in line) == host.has_server
        assert host.limits.sleeps in line
        assert price.removesuffix(".") in host.price
    assert result.stdout.endswith("More about one: python -m deploy show HOST\n")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) == 1 + 2 * len(HOSTS) + 2


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_show_prints_everything_known(host: Host) -> None:
    result = call("show", host.name)
    assert result.exit_code == 0
    facts = (host.title, host.summary, host.price, *host.list_steps(), *host.remarks.splitlines())
    for text in (*facts, host.update_command()):
        assert text in result.stdout
    for source in host.sources.splitlines():
        assert f"  {source}\n" in result.stdout
    assert "None" not in result.stdout
    assert result.stdout.count("Budget alert: ") == bool(host.budget_alert)
    assert "not needed" not in result.stdout
    assert "Not tried on the host itself" in result.stdout
    for word, meaning in host.placeholders.items():
        assert f"  {word}: {meaning}\n" in result.stdout


def test_write_prints_each_file_and_one_line_of_refusal(tmp_path: Path) -> None:
    command, file = ("write", "render", "--to", str(tmp_path)), tmp_path / "render.yaml"
    result = call(*command)
    assert result.exit_code == 0
    assert result.stdout.startswith("Models: the built-in ones")
    assert f"{file}: written\n" in result.stdout
    assert "python -m deploy show render" in result.stdout
    assert "render.yaml: unchanged" in call(*command).stdout
    file.write_text("mine")
    result = call(*command)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert f"{file} differs from what would be written" in result.stderr
    assert "replaced" in call(*command, "--force").stdout


def test_own_model_is_written_unless_another_is_named(tiny_bundle: Bundle, tmp_path: Path) -> None:
    result = call("write", "render", "--to", str(tmp_path))
    assert result.exit_code == 0
    assert "Models: tiny: the one that opens here (others: --model NAME)\n" in result.stdout
    assert f"{tmp_path}/bundles/tiny: version {tiny_bundle.version}\n" in result.stdout
    assert "Next steps: python -m deploy show render --model tiny\n" in result.stdout
    result = call("write", "render", "--to", str(tmp_path), "--model", "imagenet")
    assert f"{tmp_path}/render.yaml: replaced\n" in result.stdout
    assert f"Also in {tmp_path}/bundles, and offered by the app: tiny\n" in result.stdout


def test_placeholders_are_filled_in_files_and_steps(tmp_path: Path) -> None:
    values = ("--set", "REGION=europe-west1", "--set", "PROJECT=mine")
    result = call("write", "cloud-run", "--to", str(tmp_path), *values[:2])
    assert "Replace PROJECT in the files: the project's ID (--set PROJECT=…)\n" in result.stdout
    assert "Replace REGION" not in result.stdout
    # The command that `check` prints works unchanged.
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *((f"{command} render --model=../tiny", "No model named '../tiny'") for command in WRITES),
        *((f"{command} render --learner", "docs/deploy.md says") for command in WRITES),
        *((f"{command} geocities", "community-cloud") for command in ("check", *WRITES)),
        ("check", "Name one host or use --all"),
        ("check render --all", "Name one host or use --all"),
        ("check --url loupe.example.org", "Write it as https://"),
        ("check --url http://127.0.0.1:1/ --all", "leave out --all"),
    ],
)
def test_unusable_arguments_are_refused(arguments: str, message: str) -> None:
    result = call(*arguments.split())
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_check_covers_all_hosts_and_continues_after_a_failure(
    tmp_path: Path, data_folder: Path
) -> None:
    command = ("check", "--all", "--no-start", "--from", str(tmp_path))
    result = call(*command)
    assert result.exit_code == 0
    assert "failed" not in result.stdout
    assert "start: " not in result.stdout
    (tmp_path / "render.yaml").write_text("LOUPE_LOGS=json LOUPE_MEMORY_MB=512")
    result = call(*command)
    assert result.exit_code == 1
    assert (
        "  failed  settings: Loupe has no setting named LOUPE_LOGS\n          Use" in result.stdout
    )
    for host in HOSTS.values():
        assert f"{host.title} ({host.name})\n" in result.stdout


def test_check_asks_a_running_app() -> None:
    result = call("check", "--url", "http://127.0.0.1:1/")
    assert result.exit_code == 1
    assert "  failed  app: not reachable: " in result.stdout


HEAVY = {"streamlit", "torch", "fastai", "sqlalchemy", "pandas", "onnxruntime", "api", "ui"}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [("deploy.cli", HEAVY), ("deploy.health", {"yaml", "pydantic", "model", "click"})],
)
def test_imports_stay_light(module: str, unwanted: set[str]) -> None:
    loaded = run_python("-c", f"import {module}, sys; print(*sys.modules)").stdout
    assert not {name.split(".")[0] for name in loaded.split()} & unwanted
