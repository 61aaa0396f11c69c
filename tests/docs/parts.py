"""The clients, and how one is run."""

import json
import shutil
import subprocess
import sys
from typing import Any

from model.settings import ROOT

CLIENTS = ROOT / "docs" / "clients"
NODE = shutil.which("node")
RUN = {
    "python": [sys.executable, str(CLIENTS / "python.py")],
    "javascript": [NODE or "node", str(CLIENTS / "javascript.mjs")],
}


def run(client: list[str], *words: object) -> tuple[list[dict[str, Any]], str, int]:
    """A client's answers, what it wrote of errors, and its exit status."""
    done = subprocess.run(
        [*client, *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr, done.returncode
