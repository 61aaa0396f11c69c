"""``python -m launch.share`` (``make share``): the choice of a program, and the end of both."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.client import free_port
from launch import share
from launch.share import ShareError, _ask, choose_tunnel
from launch.tunnels import TUNNELS
from tests.launch.tunnel_output import CLOUDFLARED_LIMITED, TAILSCALE_NOT_ALLOWED
from tests.sharing import program, remaining, sharing, tunnel

ANNOUNCED = "Photos pass through"


@contextmanager
def ignored(number: int) -> Iterator[None]:
    """Ignore a signal in this process and in programs that start in the block."""
    previous = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, previous)


def test_the_first_installed_program_is_taken_unless_another_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in reversed(TUNNELS):
        program(tmp_path, name, "")
        assert choose_tunnel() is TUNNELS[name]
    assert choose_tunnel("ngrok") is TUNNELS["ngrok"]
    (tmp_path / "bin/ngrok").unlink()
    with pytest.raises(ShareError, match=r"^ngrok isn't installed\.[^\n]*\n  ngrok .*https://"):
        choose_tunnel("ngrok")


def test_failed_tunnel_is_quoted(tmp_path):
    (tmp_path / "output").write_text(CLOUDFLARED_LIMITED)
    program(tmp_path, "cloudflared", f"#!/bin/sh\ncat {tmp_path}/output >&2; exit 3\n")
    with sharing(tmp_path, "--with=cloudflared") as run:
        assert run.process.wait(60) == 1
        printed = run.output()
    assert "cloudflared gave no address (exit code 3). Its last lines:\n" in printed
    assert all(f"    {line}" in printed for line in CLOUDFLARED_LIMITED.splitlines())
    assert "--with tailscale or ngrok" in printed
    # The app was not started.
    assert "Uvicorn" not in printed


def test_an_invalid_setting_is_named_before_anything_starts(tmp_path, monkeypatch, data_folder):
    program(tmp_path, "ngrok", "#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("LOUPE_QUEUE", "-1")
    monkeypatch.setattr(sys, "argv", ["share", "--with=ngrok"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit, match="^setting-refused: LOUPE_QUEUE: "):
        share.main()


def test_missing_programs_are_listed_with_their_addresses(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["share"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        share.main()
    first, *lines = str(ended.value).splitlines()
    assert first == "No tunnel program is installed. Install one and try again:"
    assert [line.split()[0] for line in lines] == ["cloudflared", "tailscale", "ngrok"]
    assert all("https://" in line for line in lines)


@pytest.mark.slow
def test_waiting_tunnel_is_quoted_until_ctrl_c(tmp_path):
    (tmp_path / "output").write_text(TAILSCALE_NOT_ALLOWED.partition("Success")[0])
    # A wrapper that does not pass signals on to the program.
    program(tmp_path, "tailscale", f"#!/bin/sh\ncat {tmp_path}/output\nsleep 300\n")
    with sharing(tmp_path, "--with=tailscale") as run:
        run.wait_for("https://login.tailscale.com/f/funnel?node=nho4oGYG7X11CNTRL")
        children = run.children().values()
        assert len(children) == 2
        assert run.end() == 0
        assert remaining(children) == []


def test_unreachable_address_is_described_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    assert _ask("https://tunnel.invalid") == "there is no host of that name"
    assert _ask(f"http://127.0.0.1:{free_port()}") == "not reachable: Connection refused"


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["caddy", "the app"])
def test_app_and_tunnel_end_together(tmp_path, killed):
    # A data folder that can't be made.
    with sharing(tmp_path, address=tunnel(tmp_path), LOUPE_DATA="/dev/null/data") as run:
        run.wait_for(ANNOUNCED)
        assert "Links to answers work for this run only" in run.output()
        children = run.children()
        app = next(name for name in children if name != "caddy")
        assert len(children) == 2
        assert len(children[app].environ()["LOUPE_SECRET"]) > 40
        children[app if killed == "the app" else killed].kill()
        assert run.process.wait(60) == 1
        assert remaining(children.values()) == []
        name = "The app" if killed == "the app" else "cloudflared"
        assert f"{name} ended (exit code -9), so sharing has stopped." in run.output()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM"])
def test_end_of_the_terminal_ends_app_and_tunnel(tmp_path, name):
    # As under nohup; an app that outlived its terminal would stay public unseen.
    with ignored(signal.SIGHUP), sharing(tmp_path, address=tunnel(tmp_path)) as run:
        # While the app starts.
        run.wait_for("Asking cloudflared")
        assert run.end(getattr(signal, name)) == 0
        assert "Traceback" not in run.output()
