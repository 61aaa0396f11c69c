"""Tunnel programs: the command of each, and the pattern of the address in its output.

To add one, add a row to ``TUNNELS``.
"""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

ADDRESS = r"(https://[a-zA-Z0-9.-]+(?::\d{1,5})?)/?"
"""An address without a path, a query or a user: a link in a message mostly has one."""
FIELD = r'[^\s="]+=(?:"(?:[^"\\]|\\.)*"|[^\s"]*)'
"""A field of a log record (logfmt)."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A program that serves a local port at a public https address."""

    name: str
    """The program's name, as in PATH."""
    arguments: str
    """Its command-line arguments; ``{port}`` stands for the local port."""
    pattern: str
    """Regular expression whose group is the address; ^ and $ are the ends of a line."""
    hint: str
    """Its requirements, and its address for installing."""
    passage: str
    """A sentence on the servers that photos pass through."""

    def command(self, port: int) -> list[str] | None:
        """Return the command that publishes a port, or None if the program isn't installed."""
        program = shutil.which(self.name)
        return [program, *self.arguments.format(port=port).split()] if program else None

    def find_address(self, lines: Sequence[str]) -> str | None:
        """Return the public address that lines of output name, without a slash at the end."""
        match = re.search(self.pattern, "\n".join(lines), re.MULTILINE)
        return match and match[1]


_ROWS = (
    Tunnel(
        name="cloudflared",
        arguments="tunnel --no-autoupdate --url http://127.0.0.1:{port}",
        # In the box below the announcement of a quick tunnel.
        pattern=rf"\| +Your quick Tunnel has been created!.*\|\n.*\| +{ADDRESS} +\|$",
        hint="no account needed: https://github.com/cloudflare/cloudflared#installing-cloudflared",
        passage="Photos pass through Cloudflare's servers, which can read them.",
    ),
    Tunnel(
        name="tailscale",
        arguments="funnel {port}",
        pattern=rf"^Available on the internet:\n+{ADDRESS}$",
        hint="free account, allow Funnel once: https://tailscale.com/download",
        passage="Photos pass through Tailscale's relays, encrypted up to this machine.",
    ),
    Tunnel(
        name="ngrok",
        arguments="http http://127.0.0.1:{port} --log stdout --log-format logfmt",
        # In the log record of a started tunnel.
        pattern=rf'^(?:{FIELD} )*msg="started tunnel" (?:{FIELD} )*url={ADDRESS}(?: {FIELD})*$',
        hint="free account and its authtoken: https://ngrok.com/download",
        passage="Photos pass through ngrok's servers, which can read them.",
    ),
)

TUNNELS = {tunnel.name: tunnel for tunnel in _ROWS}
"""The programs by name, in the order in which they are tried."""
