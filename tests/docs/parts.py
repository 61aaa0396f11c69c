"""The clients, and how one is run."""

import json
import subprocess
import sys
from typing import Any

from model.settings import ROOT
from tests.tools import require_tool

CLIENTS = ROOT / "docs" / "clients"


def command(language: str) -> list[str]:
    """Return how the client in a language is started."""
    if language == "javascript":
        return [require_tool("node"), str(CLIENTS / "javascript.mjs")]
    return [sys.executable, str(CLIENTS / "python.py")]


def run(client: list[str], *words: object) -> tuple[list[dict[str, Any]], str, int]:
    """A client's answers, what it wrote of errors, and its exit status."""
    done = subprocess.run(
        [*client, *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr, done.returncode
