"""``launch.tunnels``: the public address, and no other, in the output of tunnel programs."""

import os
import signal
import subprocess
import sys

import pytest

from launch.tunnels import TUNNELS, Output, running
from tests.launch import tunnel_output as recorded

BOX = recorded.CLOUDFLARED.splitlines()[-3:]
EVIL = "https://evil.example"


def find(name: str, output: str) -> str | None:
    return TUNNELS[name].find_address(output.splitlines())


@pytest.mark.parametrize(
    ("name", "output", "address"),
    [
        ("cloudflared", recorded.CLOUDFLARED, recorded.CLOUDFLARED_ADDRESS),
        ("tailscale", recorded.TAILSCALE, recorded.TAILSCALE_ADDRESS),
        (
            "tailscale",
            # The program continues once the owner has allowed Funnel.
            recorded.TAILSCALE_NOT_ALLOWED.partition("error")[0] + recorded.TAILSCALE,
            recorded.TAILSCALE_ADDRESS,
        ),
        ("ngrok", recorded.NGROK, recorded.NGROK_ADDRESS),
        ("ngrok", recorded.NGROK_WITHOUT_ACCOUNT + recorded.NGROK, recorded.NGROK_ADDRESS),
    ],
)
def test_address_is_found_in_recorded_output(name, output, address):
    assert find(name, output) == address
    # Also if more lines follow.
    assert find(name, f"{output}INF see {EVIL}\n") == address


@pytest.mark.parametrize(
    ("name", "output"),
    [
        # Recorded failures.
        ("cloudflared", recorded.CLOUDFLARED_LIMITED),
        ("cloudflared", recorded.CLOUDFLARED_OFFLINE),
        ("tailscale", recorded.TAILSCALE_NOT_ALLOWED),
        ("ngrok", recorded.NGROK_WITHOUT_ACCOUNT),
        # The output has no address yet.
        ("cloudflared", "\n".join(recorded.CLOUDFLARED.splitlines()[:-2])),
        ("tailscale", "Available on the internet:\n\n"),
        # Other addresses.
        ("cloudflared", f"INF {EVIL}"),
        ("cloudflared", f"INF |  {EVIL}  |"),
        ("cloudflared", f"ERR Your quick Tunnel has been created! {EVIL}\nINF |  {EVIL}  |"),
        ("cloudflared", f"{BOX[0]}\nINF {EVIL}\nINF |  {EVIL}  |"),
        ("cloudflared", f"{BOX[0]}\nINF |  See {EVIL}/docs for more.  |"),
        ("cloudflared", f"{BOX[0]}\nINF |  {EVIL}/docs  |"),
        ("cloudflared", f"{BOX[0]}\nINF |  http://evil.example  |"),
        ("cloudflared", f"{BOX[0]}\nINF |  https://you@evil.example  |"),
        ("cloudflared", f"{BOX[0]}\nINF |  https://evil.example?to=you  |"),
        ("tailscale", f"{EVIL}/\nAvailable within your tailnet:\n\n{EVIL}/"),
        ("tailscale", f"Available on the internet:\nsee {EVIL}\n{EVIL}/"),
        ("tailscale", f"Available on the internet: {EVIL}/"),
        ("ngrok", f"Forwarding {EVIL} -> http://localhost:8501"),
        ("ngrok", f'lvl=info msg="no started tunnel" url={EVIL}'),
        ("ngrok", f'lvl=eror err="of \\"msg=\\" msg=\\"started tunnel\\" url={EVIL} "'),
        ("ngrok", f'lvl=eror err="not closed msg="started tunnel" url={EVIL}'),
        ("ngrok", 'msg="started tunnel" url=tcp://0.tcp.evil.example:10936'),
        ("ngrok", 'msg="started tunnel"'),
    ],
)
def test_no_address_is_found_in_failures_or_other_urls(name, output):
    assert find(name, output) is None


def test_output_has_no_terminal_control():
    hostile = "\x1b[2J\x1b[31mred\x1b[0m \x08\x1b]0;title\x07\u202e\r\n"
    command = [sys.executable, "-c", f"print({hostile!r})"]
    with running(command, os.environ, signal.SIGINT, 5, subprocess.PIPE) as process:
        process.wait()
        assert Output(process).lines == [r"red \x08\x1b]0;title\x07\u202e", ""]


def test_commands_start_programs_in_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [tunnel.command(8501) for tunnel in TUNNELS.values()] == [None, None, None]
    for name in TUNNELS:
        (tmp_path / name).touch(mode=0o755)
    assert [" ".join(tunnel.command(8600) or ()) for tunnel in TUNNELS.values()] == [
        f"{tmp_path}/cloudflared tunnel --no-autoupdate --url http://127.0.0.1:8600",
        f"{tmp_path}/tailscale funnel 8600",
        f"{tmp_path}/ngrok http http://127.0.0.1:8600 --log stdout --log-format logfmt",
    ]
