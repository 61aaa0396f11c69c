"""The command line, called as people call it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.cli import main
from deploy.files import files
from deploy.host import Host
from deploy.hosts import hosts
from model.settings import ROOT


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"COLUMNS": "200"})


def test_list_shows_every_host_with_its_class_memory_sleep_and_price() -> None:
    done = call("list")
    assert done.exit_code == 0
    for host in hosts().values():
        (line,) = [line for line in done.stdout.splitlines() if re.match(rf" {host.name} ", line)]
        assert str(host.kind) in line
        assert f"{host.limits.memory_mb:,} MB" in line
        assert host.price[:20] in line
    assert "15 minutes" in done.stdout
    assert done.stdout.endswith("More of one: python -m deploy show HOST\n")


def test_list_fits_a_small_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy", "list"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert max(map(len, done.stdout.splitlines())) <= 80
    for host in hosts():
        assert host in done.stdout


@pytest.mark.parametrize("host", hosts().values(), ids=lambda host: host.name)
def test_show_says_all_that_is_known(host: Host) -> None:
    done = call("show", host.name)
    assert done.exit_code == 0
    for text in (host.title, host.summary, host.price, host.budget_alert, *host.steps):
        assert text in done.stdout
    for path in files(host):
        assert path in done.stdout
    for name, source in host.sources.items():
        assert source.cited in done.stdout or name == "manifest"
    assert "None" not in done.stdout


def test_write_says_what_and_where(tmp_path: Path) -> None:
    done = call("write", "fly", "--to", str(tmp_path))
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{tmp_path}/fly.toml: written\n")
    assert "python -m deploy show fly" in done.stdout
    again = call("write", "fly", "--to", str(tmp_path))
    assert "was there already, the same" in again.stdout


def test_write_refuses_in_one_line_and_force_replaces(tmp_path: Path) -> None:
    (tmp_path / "fly.toml").write_text("mine")
    done = call("write", "fly", "--to", str(tmp_path))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"files-differ: {tmp_path}/fly.toml: there, and not as")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "fly.toml").read_text() == "mine"
    assert "replaced" in call("write", "fly", "--to", str(tmp_path), "--force").stdout


def test_write_into_what_is_no_folder_is_refused_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "sagemaker").write_text("a file where a folder would be")
    done = call("write", "sagemaker", "--to", str(tmp_path))
    assert done.exit_code == 2
    assert done.stderr.startswith("file: ")
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["show", "write", "check"])
def test_an_unknown_host_is_refused_with_the_list(command: str) -> None:
    done = call(command, "geocities")
    assert done.exit_code == 2
    assert done.stderr.startswith("unknown-host: There is no host 'geocities'.")
    assert "community-cloud" in done.stderr


def test_check_without_start_looks_at_the_files_of_all() -> None:
    done = call("check", "--all", "--no-start")
    assert done.exit_code == 0
    for host in hosts().values():
        assert f"{host.title} ({host.name})\n" in done.stdout
    assert "failed" not in done.stdout
    assert "first answer" not in done.stdout


def test_check_looks_at_the_files_that_lie_there(tmp_path: Path) -> None:
    call("write", "render", "--to", str(tmp_path))
    where = ("check", "render", "--no-start", "--from", str(tmp_path))
    done = call(*where)
    assert done.exit_code == 0
    assert f"render.yaml: as `write` makes it, in {tmp_path}\n" in done.stdout
    mine = tmp_path / "render.yaml"
    mine.write_text(mine.read_text().replace("numInstances: 1", "numInstances: 50"))
    done = call(*where)
    assert done.exit_code == 1
    assert f"render.yaml: yours, in {tmp_path}: not as" in done.stdout
    assert "  failed  instances (numInstances): '50' in the files" in done.stdout
    mine.write_bytes(b"\xff")
    assert "failed  files: render.yaml cannot be read: it is not UTF-8." in call(*where).stdout


def test_a_file_that_cannot_be_read_keeps_no_other_host_from_its_check(tmp_path: Path) -> None:
    (tmp_path / "fly.toml").write_text('vm = [{memory = "300tb"}]')
    done = call("check", "--all", "--no-start", "--from", str(tmp_path))
    assert done.exit_code == 1
    for host in hosts().values():
        assert f"{host.title} ({host.name})\n" in done.stdout
    assert "  failed  fly.toml: $" in done.stdout
    assert "  failed  files: '300tb' is no amount of memory" in done.stdout


def test_check_starts_the_app_as_the_files_that_lie_there_say(tmp_path: Path) -> None:
    call("write", "vps-systemd", "--to", str(tmp_path))
    unit = tmp_path / "systemd/loupe.service"
    unit.write_text(unit.read_text().replace("ExecStart=", "ExecStartPre="))
    done = call("check", "vps-systemd", "--from", str(tmp_path))
    assert done.exit_code == 1
    assert "failed  start: The unit has no 'ExecStart' under [Service]." in done.stdout


def test_check_starts_the_app_and_says_a_line_for_each_thing() -> None:
    done = call("check", "render")
    assert done.exit_code == 0
    for what in ("start", "first answer", "memory while running", "end"):
        assert re.search(rf"^  ok      {what}: ", done.stdout, re.MULTILINE)


def test_a_failed_check_exits_with_one_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(hosts(), "render", _small())
    done = call("check", "render", "--no-start")
    assert done.exit_code == 1
    assert "  failed  memory: 64 MB, the app needs 330 MB\n" in done.stdout
    assert "          It does not fit: choose a larger plan.\n" in done.stdout


def _small() -> Host:
    from dataclasses import replace

    host = hosts()["render"]
    return replace(host, limits=replace(host.limits, memory_mb=64))


@pytest.mark.parametrize("arguments", [(), ("render", "--all")])
def test_check_wants_one_host_or_all(arguments: tuple[str, ...]) -> None:
    done = call("check", *arguments)
    assert done.exit_code == 2
    assert "Name one host, or give --all" in done.stderr
