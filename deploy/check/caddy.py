"""What Caddy itself says of a Caddyfile."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["caddy_faults"]

PATIENCE = 30
"""Seconds."""


def caddy_faults(text: str) -> str | None:
    """What is wrong with it, empty where nothing is; None where there is no caddy to ask."""
    caddy = shutil.which("caddy")
    if caddy is None:
        return None
    with TemporaryDirectory(prefix="loupe-") as folder:
        file = Path(folder) / "Caddyfile"
        # The site stands in a file beside compose.yaml; any name will do here.
        file.write_text(text.replace("{$SITE}", "loupe.example.org"), encoding="utf-8")
        # Not `validate`, which also sets the site up: certificates, folders.
        command = [caddy, "adapt", "--adapter", "caddyfile", "--config", str(file)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=folder
        )
    said = done.stderr.strip().splitlines()
    return said[-1].replace(f"{file}:", "line ") if done.returncode and said else ""
