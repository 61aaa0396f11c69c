"""Windows, simulated on Linux in the Python processes that a test starts with ``environment``.

Only the project's files lack what Windows' Python lacks, because libraries have other files there.
Only they see ``os.name`` as ``"nt"``: pathlib would make paths that Linux can't open. Errors of the
file system and the encoding of text are the same for all. Paths and the event loop are Linux's.
"""

import builtins
import errno
import io
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("api", "deploy", "launch", "model", "pages", "scale", "streamlit_app.py", "ui")
OWN = tuple(str(ROOT / name) for name in PACKAGES)
MISSING = set(
    """
    O_DIRECTORY O_NOFOLLOW O_NONBLOCK PRIO_PROCESS SIGHUP SIGKILL SIGSTOP SIGXCPU chown epoll fork
    getegid geteuid getgid getloadavg getpgid getpriority getuid killpg mkfifo nice poll
    sched_getaffinity sched_setaffinity setpriority setsid statvfs sysconf
    """.split()
)
"""Names that ``os``, ``select`` and ``signal`` lack there."""
MISSING_MODULES = {"fcntl", "grp", "pwd", "resource", "termios"}
REFUSED = re.compile(r'[<>:"|?*]|[^/.][ .]+(/|$)')
"""What no path may contain."""
CODE_PAGE = "cp1252"
"""The encoding of text for which none is named, and of redirected output."""


def environment(folder: Path) -> dict[str, str]:
    """Return the variables that simulate Windows; ``folder`` is for a file that Python runs."""
    (folder / "sitecustomize.py").write_text("from tests.windows import install; install()\n")
    path = os.pathsep.join([str(folder), str(ROOT)])
    return {"PYTHONPATH": path, "PYTHONIOENCODING": CODE_PAGE}


class WindowsModule(ModuleType):
    """A module of the standard library, as it is there."""

    def __getattribute__(self, name: str) -> Any:
        if (name in MISSING or name == "name") and _is_own(sys._getframe(1)):
            if name == "name":
                return "nt"
            raise AttributeError(f"Windows has no {name}")
        return super().__getattribute__(name)


def _is_own(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(OWN)


def install() -> None:
    """Change this process, at its start."""
    usual_import, usual_rename = builtins.__import__, os.rename

    def import_module(name: str, *values: Any, **options: Any) -> ModuleType:
        if name in MISSING_MODULES and _is_own(sys._getframe(1)):
            raise ImportError(f"Windows has no {name}")
        return usual_import(name, *values, **options)

    def rename(source: Any, target: Any, **options: Any) -> None:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "The file exists", target)
        usual_rename(source, target, **options)

    for module in (os, select, signal):
        module.__class__ = WindowsModule
    builtins.__import__, os.rename = import_module, rename  # type: ignore[assignment]
    io.text_encoding = lambda encoding, _=2: encoding or CODE_PAGE  # type: ignore[assignment]
    subprocess._text_encoding = lambda: CODE_PAGE  # type: ignore[attr-defined]
    sys.addaudithook(_audit)


def _audit(event: str, values: tuple[Any, ...]) -> None:
    """Raise the errors of symlinks, of names that no disk can have, and of files in use."""
    if event == "os.symlink":
        raise OSError(errno.EINVAL, "A required privilege is not held by the client")
    is_written = event in ("os.mkdir", "os.rename") or (event == "open" and values[2] & os.O_CREAT)
    if is_written and REFUSED.search(path := str(values[event == "os.rename"])):
        raise OSError(errno.EINVAL, "The file name syntax is incorrect", path)
    if event in ("os.remove", "os.rename"):
        used = {file.path for file in psutil.Process().open_files()}
        if used & {os.path.realpath(path) for path in values[:2] if not isinstance(path, int)}:
            raise PermissionError(errno.EACCES, "Another process is using the file", values[0])
