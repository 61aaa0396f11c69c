"""Virtual environments of peers whose packages don't fit beside the app's."""

import os
import subprocess
import sys
from pathlib import Path

from .paths import PEERS
from .registry import NotMeasured

__all__ = ["make_environment"]


def make_environment(environment: Path, requirements: str) -> Path:
    """Return the Python of a peer's environment, which is created on first use.

    Args:
        environment: its folder.
        requirements: a file in ``peers/``.

    Raises:
        NotMeasured: it can't be created.
    """
    folder = "Scripts" if os.name == "nt" else "bin"
    python, marker = environment / folder / "python", environment / ".marker"
    if marker.is_file():
        return python
    print(f"Creating {environment} (takes minutes the first time) ...", file=sys.stderr)
    create = [sys.executable, "-m", "venv", "--clear", str(environment)]
    install = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    try:
        for command in (create, [*install, "-r", str(PEERS / requirements)]):
            subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        message = str(getattr(error, "stderr", None) or error).strip().splitlines()[-1:]
        raise NotMeasured(
            f"{environment.name} can't be created: {' '.join(message)[:200]}"
        ) from error
    marker.touch()
    return python
