"""Plant bugs one by one, and check that the tests find each (``make planted-bugs``).

``bugs.toml`` lists them: defects that Loupe once had, or nearly. Each is planted into a copy of the
project, where its tests must then fail; before that, those that aren't slow must pass there. Words
after ``python -m tests.planted`` choose the bugs whose names contain one of them.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from model.settings import ROOT
from tests.test_architecture import tracked_files

LINKED = (".venv", "build", "tests/javascript/node_modules")
"""What git ignores and tests need."""
PYTEST = ("-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-m")


@dataclass(frozen=True)
class Bug:
    """A text of a file and the wrong one in its place; ``tests`` are the files that find it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def find_flaw(self) -> str:
        """Say why it can't be planted any more; empty if it can."""
        path = ROOT / self.file
        count = path.read_text(encoding="utf-8").count(self.old) if path.is_file() else 0
        if count != 1:
            return f"{self.file} has its text {count} times"
        missing = [name for name in self.tests if not (ROOT / name).exists()]
        return f"{', '.join(missing)} doesn't exist" if missing else ""


def read_bugs() -> list[Bug]:
    """Return the bugs in the order of ``bugs.toml``."""
    rows = tomllib.loads(Path(__file__).with_name("bugs.toml").read_text(encoding="utf-8"))["bug"]
    return [Bug(**{**row, "tests": tuple(row["tests"])}) for row in rows]


def copy_project(folder: Path) -> None:
    """Copy the files that git tracks, changes included, and link the rest."""
    for path in tracked_files():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    for name in LINKED:
        if (ROOT / name).exists():
            (folder / name).symlink_to((ROOT / name).resolve())


def run_tests(folder: Path, tests: Iterable[str], marks: str) -> tuple[int, str, float]:
    """Run tests to the first failure; return pytest's status, output and the time in seconds."""
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, *PYTEST, marks, *tests],
        cwd=folder,
        # Bytecode saves each run the time to compile the project.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        stdout=subprocess.PIPE,
        text=True,
        timeout=1800,
        check=False,
    )
    return ended.returncode, ended.stdout, time.monotonic() - started


def plant(bug: Bug, folder: Path) -> tuple[str, float]:
    """Return the test that finds a bug, empty if none does, and the time in seconds."""
    path = folder / bug.file
    right = path.read_text(encoding="utf-8")
    path.write_text(right.replace(bug.old, bug.new), encoding="utf-8")
    status, output, seconds = run_tests(folder, bug.tests, "slow or not slow")
    path.write_text(right, encoding="utf-8")
    # Another status means that pytest could not run them.
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE) if status == 1 else None
    return found[1].removeprefix("tests/") if found else "", seconds


def main(words: list[str]) -> int:
    """Print a row for each bug; return 1 if one escapes or can't be planted."""
    bugs = [bug for bug in read_bugs() if not words or any(word in bug.name for word in words)]
    if flaws := [f"{bug.name}: {flaw}" for bug in bugs if (flaw := bug.find_flaw())]:
        print(*flaws, sep="\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="loupe-planted-") as name:
        folder = Path(name)
        copy_project(folder)
        tests = dict.fromkeys(name for bug in bugs for name in bug.tests)
        status, output, seconds = run_tests(folder, tests, "not slow")
        if status not in (0, 5):  # of pytest: all passed, or all are slow
            print(output[-5000:], "These tests fail without a bug, so none is planted.", sep="\n")
            return 1
        print(f"They pass in {seconds:.0f} s.\n\n| bug | found by | s |\n|---|---|--:|")
        escaped = 0
        for bug in bugs:
            found, seconds = plant(bug, folder)
            escaped += not found
            print(f"| {bug.name} | {found or '**escapes**'} | {seconds:.0f} |", flush=True)
    print(f"\n{len(bugs) - escaped} of {len(bugs)} bugs are found.")
    return int(escaped > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
