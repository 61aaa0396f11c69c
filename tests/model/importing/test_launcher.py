"""The process of an import: its environment, its limits, and its end."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from model.cli import main
from model.errors import ExportRefused
from model.importing import isolation, launcher
from model.settings import settings
from tests.waiting import wait_until

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("home", "out", "photos"):
        (tmp_path / "room" / name).mkdir(parents=True)
    return tmp_path / "room"


@pytest.fixture
def run(room: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run code in place of the worker; return its status and output."""

    def run(code: str, seconds: float = 20, **callbacks: Any) -> tuple[int, str]:
        usual = launcher._command(room, limits(seconds))
        after = usual.index("-P")
        command = [*usual[:after], "-c", code, str(room)]
        monkeypatch.setattr(launcher, "_command", lambda *_: command)
        status = launcher.run(room, {}, limits(seconds), **callbacks)
        return status, (room / "output.txt").read_text()

    return run


def limits(seconds: float) -> launcher.Limits:
    return launcher.Limits(seconds, 0, settings().memory_mb)


@pytest.mark.parametrize("command", ["doctor", "import"])
def test_commands_on_windows_name_the_supported_systems(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows lacks the functions that a sandbox needs."""
    for module, name in ((os, "killpg"), (os, "getuid"), (os, "O_NOFOLLOW"), (signal, "SIGXCPU")):
        monkeypatch.delattr(module, name)
    (tmp_path / "export.pkl").touch()
    options = ["--name", "mine"] if command == "import" else []
    result = CliRunner().invoke(main, [command, str(tmp_path / "export.pkl"), *options])
    assert "Run this on Linux, on macOS or in WSL" in result.stderr
    assert isinstance(result.exception, SystemExit)


def is_running(pid: int) -> bool:
    """Return True if a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_worker_environment_has_no_secrets(
    run: Run, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_SECRET", "hush")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hush@proxy")
    monkeypatch.setenv("PYTHONPATH", f"own{os.pathsep}/elsewhere")
    status, output = run(
        "import os, sys; print(dict(os.environ)); print(os.getcwd(), len(sys.stdin.read()))"
    )
    assert status == 0
    assert "hush" not in output
    assert "LOUPE" not in output
    assert f"'HOME': '{room / 'home'}'" in output
    assert output.splitlines()[-1] == f"{room / 'home'} 0"
    assert f"{Path.cwd() / 'own'}{os.pathsep}/elsewhere" in output


def test_worker_has_no_network_or_reports_it(run: Run) -> None:
    stages: list[str] = []
    code = (
        "import socket\n"
        "try:\n"
        "    socket.create_connection(('1.1.1.1', 53), 3)\n"
        "    print('reached')\n"
        "except OSError as error:\n"
        "    print(error.errno)\n"
        "print([name for _, name in socket.if_nameindex()])\n"
    )
    status, output = run(code, on_stage=stages.append)
    assert status == 0
    assert len(stages) == 1
    if stages == ["isolated"]:
        assert "reached" not in output
        assert output.splitlines()[-1] in ("['lo']", "[]")


def test_unblocked_network_is_reported(
    run: Run, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(isolation.__file__).read_text()
    changed = room / "isolation.py"
    changed.write_text(source.replace(".unshare(", ".no_such_call("))
    monkeypatch.setattr(isolation, "__file__", str(changed))
    stages: list[str] = []
    assert run("pass", on_stage=stages.append)[0] == 0
    assert stages == ["connected"]


@pytest.mark.parametrize("seconds", [0, 60], ids=["ends", "times-out"])
def test_children_end_with_the_worker(run: Run, room: Path, seconds: int) -> None:
    code = (
        "import subprocess, sys, time, pathlib\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(room)!r}, 'pid').write_text(str(other.pid))\n"
        f"time.sleep({seconds})"
    )
    if seconds:
        with pytest.raises(ExportRefused, match="timed out after 2 s"):
            run(code, 2)
    else:
        assert run(code)[0] == 0
    pid = int((room / "pid").read_text())
    wait_until(lambda: not is_running(pid), 10)


def test_death_by_signal_is_a_negative_status(run: Run) -> None:
    assert run("import os; os.kill(os.getpid(), 11)")[0] == -signal.SIGSEGV


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by Linux")
def test_memory_and_files_are_limited(
    run: Run, room: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUPE_MEMORY_MB", "256")
    settings.cache_clear()
    status, output = run(
        "import resource\n"
        "limits = resource.RLIMIT_FSIZE, resource.RLIMIT_CORE\n"
        "print(*map(resource.getrlimit, limits))\n"
        "bytearray(400 * 2**20)"
    )
    assert status == 1
    assert "MemoryError" in output
    assert f"({2**31}, {2**31}) (0, 0)" in output


def test_stages_are_reported_and_anything_else_is_harmless(run: Run, room: Path) -> None:
    stages: list[str] = []
    code = (
        "import os, pathlib, time\n"
        f"out = pathlib.Path({str(room)!r}, 'out', 'stages')\n"
        "out.open('a').write('compiling\\nhalf a'); time.sleep(0.3)\n"
        "out.write_text('x\\n' * 5000); time.sleep(0.3)\n"
        "out.unlink(); os.mkfifo(out); time.sleep(0.3)\n"
    )
    assert run(code, on_stage=stages.append)[0] == 0
    assert stages[1:] == ["compiling"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_worker_dies_with_a_killed_parent(room: Path) -> None:
    child = (
        "import os, pathlib, time\n"
        f"pathlib.Path({str(room)!r}, 'pid').write_text(str(os.getpid()))\n"
        "time.sleep(60)"
    )
    script = (
        "import pathlib\n"
        "from model.importing import launcher\n"
        f"room = pathlib.Path({str(room)!r})\n"
        "limits = launcher.Limits(60, 0, 4096)\n"
        "usual = launcher._command(room, limits)\n"
        "after = usual.index('-P')\n"
        f"launcher._command = lambda *_: [*usual[:after], '-c', {child!r}]\n"
        "launcher.run(room, {}, limits)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
    try:
        written = room / "pid"
        wait_until(written.read_text, 30)
        pid = int(written.read_text())
        assert is_running(pid)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not is_running(pid), 10)


def test_ctrl_c_leaves_nothing(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    process: list[int] = []
    usual = subprocess.Popen

    def started(*words: Any, **options: Any) -> Any:
        child: Any = usual(*words, **options)
        process.append(child.pid)
        return child

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(launcher, "_watch", interrupt)
    monkeypatch.setattr(
        launcher, "_command", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"]
    )
    with pytest.raises(KeyboardInterrupt), launcher.sandbox_folder() as folder:
        launcher.run(folder, {}, limits(60))
    assert not folder.exists()
    wait_until(lambda: not is_running(process[0]), 10)


def test_abandoned_sandbox_folders_are_swept(room: Path) -> None:
    old, new = room.parent / "loupe-import-old", room.parent / "loupe-import-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (1, 1))
    with launcher.sandbox_folder() as folder:
        assert (folder / "out").is_dir()
        assert not old.exists()
        assert new.exists()
    assert not folder.exists()


def test_link_to_a_plain_file_is_not_read(tmp_path: Path) -> None:
    target, link = tmp_path / "of the owner", tmp_path / launcher.REPORT
    target.write_bytes(b"secret")
    link.symlink_to(target)
    with pytest.raises(OSError, match=launcher.REPORT):
        launcher.read_file(link, 100)
    assert launcher.read_file(target, 100) == b"secret"
