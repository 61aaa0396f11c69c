"""A start of the app as a host does it, on this machine: command, settings, readiness, end."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import psutil
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from model.settings import ROOT, Settings

from .check import CheckResult, State
from .client import Reply, send
from .errors import DeployError, Unreadable
from .files import (
    default_folder,
    get_value,
    make_files,
    parse_files,
    parse_memory_mb,
    parse_variables,
)
from .host import ARCHIVE, Host
from .ports import free_port
from .spec import APP

__all__ = [
    "StartPlan",
    "StartedApp",
    "peak_memory_mb",
    "plan_start",
    "start_app",
    "unpack_models",
]

READY_TIMEOUT_SECONDS = 120
"""Longest wait for the app if the host documents no limit, in seconds."""
POLL_SECONDS = 0.1

EXCLUDED_PREFIXES = ("LOUPE_", "STREAMLIT_", "AIP_", "SPACE_", "SAGEMAKER_", "PORT")
"""Prefixes of this machine's variables that must not reach the app."""

ENTRY = "streamlit_app.py"
REPOSITORY = (ENTRY, APP.entrypoint, "model/__init__.py")
"""Files of a folder that can run the app itself."""


@dataclass(frozen=True, slots=True)
class StartPlan:
    """How to start the app as a host does.

    Attributes:
        bundles: the models that are deployed with it: a folder, or an archive of one.
        root: the repository that runs, as its working directory.
    """

    command: tuple[str, ...]
    environment: dict[str, str]
    port_variable: str
    memory_mb: int
    timeout_seconds: int
    stop_seconds: int = APP.stop_seconds
    bundles: Path = ROOT / APP.bundles_dir
    root: Path = ROOT


def plan_start(
    host: Host, texts: Mapping[str, str] | None = None, folder: Path | None = None
) -> StartPlan:
    """Return how the host starts the app, as its files say.

    Args:
        host: the host.
        texts: its files by path; by default as they would be written.
        folder: where they are, with the models to deploy; by default where ``write`` puts them.
            If it is a complete repository, its own code runs, otherwise that of this checkout.

    Raises:
        Unreadable: the files cannot be parsed, or name no command.
    """
    folder = (folder or default_folder(host)).resolve()
    documents = parse_files(make_files(host) if texts is None else texts)
    paths = host.manifest
    variables = parse_variables(get_value(documents, paths.file, paths.environment))
    settings = {k: v for k, v in variables.items() if k.startswith(("LOUPE_", "STREAMLIT_"))}
    granted = get_value(documents, paths.file, paths.memory)
    memory_mb = host.limits.memory_mb if granted is None else parse_memory_mb(granted)
    root = folder if all((folder / name).is_file() for name in REPOSITORY) else ROOT
    if host.start.runner == "image":
        command = (str(root / APP.entrypoint), *host.start.arguments)
    elif host.start.runner == "unit":
        command = _unit_command(documents.get(paths.file) or {}, root)
    else:
        # Community Cloud's command is in its documentation, not in a file.
        command = ("streamlit", "run", ENTRY)
    archive = folder / host.name / ARCHIVE
    return StartPlan(
        command=command,
        # On the host the app reads the limit from its cgroup, which isn't there in a trial.
        environment={"LOUPE_MEMORY_MB": str(memory_mb), **settings, **host.start.provided_env},
        port_variable=host.start.port_variable,
        memory_mb=memory_mb,
        timeout_seconds=host.limits.start_seconds or READY_TIMEOUT_SECONDS,
        # A host that takes an archive unpacks it before the start.
        bundles=archive if archive.is_file() else folder / APP.bundles_dir,
        root=root,
    )


def _unit_command(unit: Mapping[str, str], root: Path) -> tuple[str, ...]:
    """Return a unit's command, moved from the server's folder to a repository here."""
    try:
        command, folder = unit["ExecStart"], unit["WorkingDirectory"]
    except KeyError as error:
        raise Unreadable(f"The unit has no {error.args[0]}= line.") from error
    # Split first, because the repository's path may contain spaces.
    return tuple(word.replace(folder, str(root)) for word in command.split())


class StartedApp:
    """A running app, in its own process group."""

    def __init__(self, plan: StartPlan, process: subprocess.Popen[bytes], port: int, log: Path):
        self.plan, self.process = plan, process
        self.base_url = f"http://127.0.0.1:{port}"
        self.log = log

    @property
    def peak_memory_mb(self) -> float:
        """Its peak memory so far, in MB."""
        return peak_memory_mb(self.process.pid)

    def wait_until_ready(self, path: str) -> tuple[CheckResult, Reply | None]:
        """Wait for 200 from the host's health check; return the result and the last response."""
        plan, process, reply = self.plan, self.process, None
        command = " ".join(plan.command).replace(str(plan.root), ".")
        began = time.monotonic()
        deadline = began + plan.timeout_seconds
        # A model that can't be loaded stays so: waiting longer would change nothing.
        while (
            (remaining_seconds := deadline - time.monotonic()) > 0
            and process.poll() is None
            and not (reply and get_failure(reply))
        ):
            with contextlib.suppress(OSError, HTTPException):
                # The port opens before the app responds: this request lasts most of the start.
                reply = send(self.base_url + path, remaining_seconds)
                if reply.status == 200:
                    seconds = time.monotonic() - began
                    message = f"{command}: {path} is ready after {seconds:.1f} s"
                    return CheckResult("start", State.OK, message), reply
            time.sleep(POLL_SECONDS)
        if process.poll() is not None:
            reason = f"exited with {process.returncode}"
        elif reply and (failure := get_failure(reply)):
            reason = f"never ready: {failure}"
        else:
            reason = f"not ready in {plan.timeout_seconds} s"
        output = self.log.read_text(errors="replace").strip()[-600:] or "nothing"
        fix = f"Last reply: {reply.text[:200]}. Output: {output}" if reply else f"Output: {output}"
        return CheckResult("start", State.FAILED, f"{command}: {reason}", fix), reply

    def stop(self) -> CheckResult:
        """Send SIGTERM, and SIGKILL to the group if the process is still running."""
        process, timeout_seconds = self.process, self.plan.stop_seconds
        began = time.monotonic()
        if process.poll() is None:
            process.terminate()
        try:
            code = process.wait(timeout_seconds)
            seconds = time.monotonic() - began
            message = f"stopped {seconds:.1f} s after SIGTERM (exit code {code})"
        except subprocess.TimeoutExpired:
            code, message = None, f"still running {timeout_seconds} s after SIGTERM"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if code in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
            return CheckResult("end", State.OK, message)
        fix = "The start command must exec the app, so that it receives the signal."
        return CheckResult("end", State.FAILED, message, fix)


def get_failure(reply: Reply) -> str:
    """Return the code with which an app says that it has no usable model, empty if it doesn't."""
    code = str(reply.document.get("code", "")) if reply.status == 503 else ""
    return "" if code == "stopping" else code


def start_app(plan: StartPlan, folder: Path) -> StartedApp:
    """Run the plan's command without this machine's settings; its files go below ``folder``.

    Raises:
        DeployError: it cannot be run, or the archive of the models cannot be unpacked.
    """
    port, log = free_port(), folder / "log"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(EXCLUDED_PREFIXES)}
    environment = {
        **clean,
        **_hide_secrets(plan.root),
        **plan.environment,
        "LOUPE_DATA": str(folder / "data"),
        "LOUPE_BUNDLES": str(unpack_models(plan.bundles, folder / "bundles")),
        # The trial's data folder doesn't last, so nothing is fetched into it.
        "LOUPE_NPM": "false",
        plan.port_variable: str(port),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    if plan.root != ROOT:
        # The folder is about to be pushed: nothing of this trial belongs in it.
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    (folder / "data").mkdir()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                plan.command,
                cwd=plan.root,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise DeployError(f"{plan.command[0]} can't be run: {error.strerror}.") from error
    return StartedApp(plan, process, port, log)


def unpack_models(bundles: Path, folder: Path) -> Path:
    """Return the folder with the models, unpacked if they are in an archive.

    Raises:
        DeployError: the archive cannot be unpacked.
    """
    if not bundles.is_file():
        return bundles
    try:
        with tarfile.open(bundles) as archive:
            _extract(archive, folder)
    except (OSError, tarfile.TarError) as error:
        raise DeployError(f"{bundles} can't be unpacked: {error}. Write it again.") from error
    return folder


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack regular files only, none of them outside the folder.

    ``extractall(filter="data")`` does the same from Python 3.11.4 on; Debian 12 has 3.11.2.

    Raises:
        TarError: a name leads out of the folder.
    """
    for member in archive:
        path = folder / member.name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise tarfile.TarError(f"{member.name!r} leads out of the archive")
        # Asked first: extractfile raises KeyError for a link to what is not in the archive.
        if member.isreg() and (file := archive.extractfile(member)):
            path.parent.mkdir(parents=True, exist_ok=True)
            with file, path.open("wb") as target:
                shutil.copyfileobj(file, target)


def _hide_secrets(root: Path) -> dict[str, str]:
    """Return the defaults of settings in ``secrets.toml``, a file that no host receives."""
    file = root / ".streamlit" / "secrets.toml"
    try:
        names = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    fields = {f"LOUPE_{name.upper()}": field for name, field in Settings.model_fields.items()}
    return {name: _default_text(fields[name]) for name in names if name in fields}


def _default_text(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    # A secret's own text is masked; the default of both is empty.
    return "" if default is None or isinstance(default, SecretStr) else str(default)


def peak_memory_mb(pid: int) -> float:
    """Return a process's peak memory; where the system records none, its current memory."""
    status = Path(f"/proc/{pid}/status")
    peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    if peak:
        return int(peak[1]) / 1024
    return float(psutil.Process(pid).memory_info().rss) / 2**20 if psutil.pid_exists(pid) else 0
