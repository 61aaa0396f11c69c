"""The clients in ``docs/clients``, run as programs."""

import json
import subprocess
import sys
from typing import Any

from model.settings import ROOT
from tests.tools import require_tool

CLIENTS = ROOT / "docs" / "clients"


def command(language: str) -> list[str]:
    """Return the command that starts the client in a language."""
    if language == "javascript":
        # Node 18 warns of the class that its own FormData uses.
        return [require_tool("node"), "--no-warnings", str(CLIENTS / "javascript.mjs")]
    return [sys.executable, str(CLIENTS / "python.py")]


def run(client: list[str], *arguments: object) -> tuple[list[dict[str, Any]], str, int]:
    """Return a client's results, what it wrote to standard error, and its exit status."""
    completed = subprocess.run(
        [*client, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    return (
        [json.loads(line) for line in completed.stdout.splitlines()],
        completed.stderr,
        completed.returncode,
    )
