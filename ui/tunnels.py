"""Tunnel programs: how each is started, and how its output names the public address.

To add one, write a function that finds the address and add an entry to ``TUNNELS``.
"""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["TUNNELS", "Tunnel", "clean_line"]

ADDRESS = re.compile(r"https://[a-z0-9.-]+(:\d{1,5})?/?", re.ASCII | re.IGNORECASE)
"""An address without a path, a query or a user: a link in a message mostly has one."""
ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-_])")
"""An ANSI escape sequence, such as a colour."""
BOXED = re.compile(r"\|\s+(\S.*\S)\s+\|$")
FIELD = re.compile(r'([^\s="]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s+|$)')
LOGFMT = re.compile(f"(?:{FIELD.pattern})+")


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A program that gives a port of this machine a public https address."""

    name: str
    """The program's name, as in PATH."""
    arguments: tuple[str, ...]
    """Its command-line arguments; ``{port}`` stands for the local port."""
    find_address: Callable[[Sequence[str]], str | None]
    """Returns the public address that the lines of its output name, without a slash at the end."""
    hint: str
    """What it needs, and where to get it."""
    passage: str
    """Who carries the photos, as a sentence."""

    def command(self, port: int) -> list[str] | None:
        """Return the command that publishes a port, or None if the program isn't installed."""
        program = shutil.which(self.name)
        return [program, *(part.format(port=port) for part in self.arguments)] if program else None


def clean_line(line: str) -> str:
    """Return a line of output without colours and control characters, fit for a terminal."""
    return "".join(filter(str.isprintable, ESCAPE.sub("", line))).rstrip()


def _parse_address(text: str) -> str | None:
    return text.rstrip("/") if ADDRESS.fullmatch(text) else None


def _find_in_cloudflared(lines: Sequence[str]) -> str | None:
    """Return the address in the box that announces a quick tunnel, below the announcement."""
    boxed = [match and match[1] for match in map(BOXED.search, lines)]
    for announcement, text in pairwise(boxed):
        if announcement and text and announcement.startswith("Your quick Tunnel has been created!"):
            return _parse_address(text)
    return None


def _find_in_tailscale(lines: Sequence[str]) -> str | None:
    """Return the address in the first line of text below the announcement."""
    texts = [line.strip() for line in lines if line.strip()]
    for announcement, text in pairwise(texts):
        if announcement == "Available on the internet:":
            return _parse_address(text)
    return None


def _find_in_ngrok(lines: Sequence[str]) -> str | None:
    """Return the address in the log record (logfmt) of a started tunnel."""
    for line in lines:
        if not LOGFMT.fullmatch(line):
            continue
        fields = {name: value.strip('"') for name, value in FIELD.findall(line)}
        if fields.get("msg") == "started tunnel":
            return _parse_address(fields.get("url", ""))
    return None


TUNNELS = {
    tunnel.name: tunnel
    for tunnel in (
        Tunnel(
            name="cloudflared",
            arguments=("tunnel", "--no-autoupdate", "--url", "http://127.0.0.1:{port}"),
            find_address=_find_in_cloudflared,
            hint="no account needed: https://github.com/cloudflare/cloudflared#installing-cloudflared",
            passage="Photos pass through Cloudflare's servers, which can read them.",
        ),
        Tunnel(
            name="tailscale",
            arguments=("funnel", "{port}"),
            find_address=_find_in_tailscale,
            hint="free account, allow Funnel once: https://tailscale.com/download",
            passage="Photos pass through Tailscale's relays, encrypted up to this machine.",
        ),
        Tunnel(
            name="ngrok",
            arguments=(
                *("http", "http://127.0.0.1:{port}"),
                *("--log", "stdout", "--log-format", "logfmt"),
            ),
            find_address=_find_in_ngrok,
            hint="free account and its authtoken: https://ngrok.com/download",
            passage="Photos pass through ngrok's servers, which can read them.",
        ),
    )
}
"""The programs by name, in the order in which they are tried."""
