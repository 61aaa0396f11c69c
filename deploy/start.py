"""A start of the app as a host does it, on this machine: settings, readiness, memory."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import psutil
from pydantic import SecretStr

from model.settings import ROOT, Settings

from .client import Reply, send
from .comparison import CheckResult, State
from .errors import DeployError
from .files import read_settings
from .host import Host
from .ports import free_port
from .spec import APP

READY_TIMEOUT_SECONDS = 120
"""Longest wait for the app if the host documents no limit, in seconds."""
POLL_SECONDS = 0.1

EXCLUDED_PREFIXES = ("LOUPE_", "STREAMLIT_", "AIP_", "SPACE_", "SAGEMAKER_", "PORT")
"""Prefixes of this machine's variables that must not reach the app."""

REPOSITORY = ("streamlit_app.py", APP.entrypoint, "model/__init__.py")
"""Files of a folder that can run the app itself."""


@dataclass(frozen=True, slots=True)
class StartPlan:
    """The start of the app as a host does it.

    Attributes:
        bundles: the folder of the models that are deployed with it.
        root: the repository that runs, as its working directory.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    port_variable: str
    memory_mb: int
    timeout_seconds: int
    stop_seconds: int = APP.stop_seconds
    bundles: Path = ROOT / APP.bundles_dir
    root: Path = ROOT


def plan_start(host: Host, texts: Mapping[str, str], folder: Path) -> StartPlan:
    """Return the host's plan for starting the app, with the settings in its files.

    Args:
        host: the host.
        texts: its files by path.
        folder: their folder, with the models to deploy. If it is a complete repository, its own
            code runs, otherwise that of this checkout.

    Raises:
        DeployError: the memory in the files is not a number.
    """
    folder = folder.resolve()
    root = folder if all((folder / name).is_file() for name in REPOSITORY) else ROOT
    program, *arguments = host.start.command or ("",)
    if program == APP.entrypoint:
        program = str(root / program)
    # On the host the app reads the limit from its cgroup, which a trial doesn't have.
    settings = {"LOUPE_MEMORY_MB": str(host.limits.memory_mb), **read_settings(texts)}
    if not settings["LOUPE_MEMORY_MB"].isdecimal():
        value = settings["LOUPE_MEMORY_MB"]
        raise DeployError(f"LOUPE_MEMORY_MB is {value!r} in the files, not a number of megabytes.")
    return StartPlan(
        command=(program, *arguments),
        environment=settings | dict(host.start.environment),
        port_variable=host.start.port_variable,
        memory_mb=int(settings["LOUPE_MEMORY_MB"]),
        timeout_seconds=host.limits.start_seconds or READY_TIMEOUT_SECONDS,
        bundles=folder / APP.bundles_dir,
        root=root,
    )


class StartedApp:
    """A running app, in its own process group."""

    def __init__(self, plan: StartPlan, process: subprocess.Popen[bytes], port: int, log: Path):
        self.plan, self.process = plan, process
        self.base_url = f"http://127.0.0.1:{port}"
        self.log = log

    def wait_until_ready(self, path: str) -> tuple[CheckResult, Reply | None]:
        """Wait for 200 from the host's health check; return the result and the last response."""
        plan, process, reply = self.plan, self.process, None
        command = " ".join(plan.command).replace(str(plan.root), ".")
        began = time.monotonic()
        deadline = began + plan.timeout_seconds
        reason = f"not ready in {plan.timeout_seconds} s"
        while (remaining_seconds := deadline - time.monotonic()) > 0:
            if process.poll() is not None:
                reason = f"exited with {process.returncode}"
                break
            with contextlib.suppress(OSError, HTTPException):
                # The port opens before the app responds: this request lasts most of the start.
                reply = send(self.base_url + path, remaining_seconds)
                if reply.status == 200:
                    seconds = time.monotonic() - began
                    message = f"{command}: {path} is ready after {seconds:.1f} s"
                    return CheckResult("start", State.OK, message), reply
                # A model that can't be loaded stays so: waiting longer would change nothing.
                if reply.status == 503 and (code := reply.document.get("code")):
                    reason = f"never ready: {code}"
                    break
            time.sleep(POLL_SECONDS)
        output = self.log.read_text(errors="replace").strip()[-600:] or "nothing"
        fix = f"Last reply: {reply.text[:200]}. Output: {output}" if reply else f"Output: {output}"
        return CheckResult("start", State.FAILED, f"{command}: {reason}", fix), reply

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL to the group if the process is still running."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(self.plan.stop_seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start_app(plan: StartPlan, folder: Path) -> StartedApp:
    """Run the plan's command without this machine's settings; its files go below ``folder``.

    Raises:
        DeployError: the command can't be run.
    """
    port, log = free_port(), folder / "log"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(EXCLUDED_PREFIXES)}
    environment = {
        **clean,
        **_hide_secrets(plan.root),
        **plan.environment,
        "LOUPE_DATA": str(folder / "data"),
        "LOUPE_BUNDLES": str(plan.bundles),
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


def _hide_secrets(root: Path) -> dict[str, str]:
    """Return the defaults of settings in ``secrets.toml``, a file that no host receives."""
    file = root / ".streamlit" / "secrets.toml"
    try:
        names = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    defaults = {}
    for name, field in Settings.model_fields.items():
        value = field.get_default(call_default_factory=True)
        # A secret's own text is masked; the default of both is empty.
        is_empty = value is None or isinstance(value, SecretStr)
        defaults[f"LOUPE_{name.upper()}"] = "" if is_empty else str(value)
    return {name: defaults[name] for name in names if name in defaults}


def peak_memory_mb(pid: int) -> float:
    """Return a process's peak memory; where the system records none, its current memory."""
    status = Path(f"/proc/{pid}/status")
    peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    if peak:
        return int(peak[1]) / 1024
    return float(psutil.Process(pid).memory_info().rss) / 2**20 if psutil.pid_exists(pid) else 0
