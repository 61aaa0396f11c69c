"""Programs that tests need beside Python's packages.

Without one, its tests skip and say what to install; where ``CI`` is ``true``, they fail. Run as a
script, this module prints the Debian packages that are missing, which ``.ci/run`` installs.
"""

import os
import shutil
from dataclasses import dataclass
from itertools import chain
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, and where to get it."""

    package: str
    """The Debian package that contains it, and others that it is used with."""
    folder: str = ""
    """A glob, relative to the folders in PATH, for a program that is beside them."""
    variable: str = ""
    """An environment variable that may name it."""


TOOLS = {
    "caddy": Tool("caddy"),
    # Playwright's driver needs libatomic, which Chromium brings on Debian 13 but not on 12.
    "chromium": Tool("chromium libatomic1", variable="CHROMIUM"),
    "curl": Tool("curl"),
    "firefox-esr": Tool("firefox-esr"),
    "initdb": Tool("postgresql", folder="../lib/postgresql/*/bin"),
    "nginx": Tool("nginx-light", folder="../sbin"),
    "node": Tool("nodejs"),
    "npm": Tool("npm"),
    "pg_ctl": Tool("postgresql", folder="../lib/postgresql/*/bin"),
    "rsync": Tool("rsync"),
}


def find_tool(name: str) -> str | None:
    """Return a program's path; of several versions, the newest."""
    tool = TOOLS[name]
    if tool.variable and (path := os.environ.get(tool.variable)):
        return shutil.which(path)
    folders = [Path(entry) for entry in os.get_exec_path()]
    beside = chain.from_iterable(folder.glob(tool.folder) for folder in folders if tool.folder)
    newest_first = sorted(map(str, beside), key=_by_number, reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, folders), *newest_first]))


def require_tool(name: str) -> str:
    """Return a program's path. Without it, skip the test that asks, or fail it in CI."""
    path = find_tool(name)
    if path is None:
        import pytest

        reason = f"{name} is missing: install it (on Debian: apt install {TOOLS[name].package})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def _by_number(path: str) -> list[int]:
    return [int(part) for part in Path(path).parts if part.isdecimal()]


if __name__ == "__main__":
    missing = {tool.package for name, tool in TOOLS.items() if find_tool(name) is None}
    print(*sorted(missing))  # noqa: T201
