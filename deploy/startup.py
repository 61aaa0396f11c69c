"""A trial start of the app, as a host does it: readiness, first answer, memory, shutdown."""

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil

from model.samples import samples
from model.settings import ROOT

from .check import CheckResult, State
from .errors import DeployError, Unreadable
from .files import get_value, make_files, parse_files, parse_memory_mb, parse_variables
from .host import Host
from .ports import free_port
from .spec import APP

__all__ = ["StartPlan", "check_start", "peak_memory_mb", "plan_start", "run_plan"]

READY_TIMEOUT_SECONDS = 120
"""Longest wait for the app if the host documents no limit, in seconds."""
ANSWER_TIMEOUT_SECONDS = 60
POLL_SECONDS = 0.1

EXCLUDED_PREFIXES = ("LOUPE_", "STREAMLIT_", "AIP_", "SPACE_", "SAGEMAKER_", "PORT")
"""Prefixes of this machine's variables that must not reach the app."""


@dataclass(frozen=True, slots=True)
class StartPlan:
    """How to start the app as a host does, in this checkout."""

    command: tuple[str, ...]
    environment: dict[str, str]
    port_variable: str
    memory_mb: int
    timeout_seconds: int
    stop_seconds: int = APP.stop_seconds


def plan_start(host: Host, texts: Mapping[str, str] | None = None) -> StartPlan:
    """Return how the host starts the app, as its files say.

    Args:
        host: the host.
        texts: its files by path; by default as they would be written.

    Raises:
        Unreadable: the files cannot be parsed, or name no command.
    """
    documents = parse_files(make_files(host) if texts is None else texts)
    paths = host.manifest
    variables = parse_variables(get_value(documents, paths.file, paths.environment))
    settings = {k: v for k, v in variables.items() if k.startswith(("LOUPE_", "STREAMLIT_"))}
    memory = get_value(documents, paths.file, paths.memory)
    if host.start.runner == "image":
        command = (str(ROOT / APP.entrypoint), *host.start.arguments)
    elif host.start.runner == "unit":
        command = _unit_command(documents.get(paths.file) or {})
    else:
        # Community Cloud's command is in its documentation, not in a file.
        command = ("streamlit", "run", "streamlit_app.py")
    return StartPlan(
        command=command,
        environment={**settings, **host.start.provided_env},
        port_variable=host.start.port_variable,
        memory_mb=host.limits.memory_mb if memory is None else parse_memory_mb(memory),
        timeout_seconds=host.limits.start_seconds or READY_TIMEOUT_SECONDS,
    )


def _unit_command(unit: Mapping[str, str]) -> tuple[str, ...]:
    """Return a unit's command, moved from the server's folder to this checkout."""
    try:
        command, folder = unit["ExecStart"], unit["WorkingDirectory"]
    except KeyError as error:
        raise Unreadable(f"The unit has no {error.args[0]}= line.") from error
    return tuple(command.replace(folder, str(ROOT)).split())


def check_start(host: Host, texts: Mapping[str, str] | None = None) -> Iterator[CheckResult]:
    """Start the app as the host does, send it one photo and stop it; yield each result.

    Args:
        host: the host.
        texts: its files by path; by default as they would be written.
    """
    try:
        yield from run_plan(host, plan_start(host, texts))
    except DeployError as error:
        yield CheckResult("start", State.FAILED, str(error), "Fix the file it names.")


def run_plan(host: Host, plan: StartPlan) -> Iterator[CheckResult]:
    """Start the app by a plan, call it through the host's routes and stop it.

    Raises:
        DeployError: the command cannot be run.
    """
    with TemporaryDirectory(prefix="loupe-") as folder:
        port, log = free_port(), Path(folder) / "log"
        health, photo = _build_requests(host, f"http://127.0.0.1:{port}")
        process = _launch(plan, port, Path(folder) / "data", log)
        try:
            ready = _wait_until_ready(plan, process, health, log)
            yield ready
            if ready.state is State.OK:
                yield _check_first_answer(photo)
                yield _check_memory(process.pid, plan.memory_mb)
        finally:
            end = _stop(process, plan.stop_seconds)
        if ready.state is State.OK:
            yield end


def _build_requests(host: Host, base_url: str) -> tuple[Request, Request]:
    """Return the host's health check, and a sample photo sent through the host's own route."""
    photo = samples()[0]
    body, media_type = photo.read(), f"image/{photo.path.suffix[1:].replace('jpg', 'jpeg')}"
    match host.start.protocol:
        case "sagemaker":
            health, route = "/ping", "/invocations"
        case "vertex":
            health = host.start.provided_env["AIP_HEALTH_ROUTE"]
            route = host.start.provided_env["AIP_PREDICT_ROUTE"]
            instance = {"image_bytes": {"b64": base64.b64encode(body).decode()}}
            body = json.dumps({"instances": [instance], "parameters": {"top": 1}}).encode()
            media_type = "application/json"
        case "api":
            health, route = APP.ready_path, f"{APP.identify_path}?top=1"
    headers = {"Content-Type": media_type}
    # This machine's own server, so the scheme is safe.
    return Request(base_url + health), Request(base_url + route, body, headers)  # noqa: S310


def _launch(plan: StartPlan, port: int, data: Path, log: Path) -> subprocess.Popen[bytes]:
    """Run the command in its own process group, without this machine's settings.

    Raises:
        DeployError: it cannot be run.
    """
    clean = {k: v for k, v in os.environ.items() if not k.startswith(EXCLUDED_PREFIXES)}
    environment = {
        **clean,
        **plan.environment,
        "LOUPE_DATA": str(data),
        plan.port_variable: str(port),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    data.mkdir()
    with log.open("wb") as output:
        try:
            return subprocess.Popen(
                plan.command,
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise DeployError(f"{plan.command[0]} can't be run: {error.strerror}.") from error


def _wait_until_ready(
    plan: StartPlan, process: subprocess.Popen[bytes], health: Request, log: Path
) -> CheckResult:
    began, reply = time.monotonic(), ""
    command = " ".join(plan.command).replace(str(ROOT), ".")
    deadline = began + plan.timeout_seconds
    while (remaining_seconds := deadline - time.monotonic()) > 0 and process.poll() is None:
        with contextlib.suppress(OSError):
            # The port opens before the app responds: this request lasts most of the start.
            status, reply = _send(health, remaining_seconds)
            if status == 200:
                seconds = time.monotonic() - began
                message = f"{command}: {health.selector} is ready after {seconds:.1f} s"
                return CheckResult("start", State.OK, message)
        time.sleep(POLL_SECONDS)
    if process.poll() is None:
        reason = f"not ready in {plan.timeout_seconds} s"
    else:
        reason = f"exited with {process.returncode}"
    output = log.read_text(errors="replace").strip()[-600:] or "nothing"
    fix = f"Last reply: {reply[:200]}. Output: {output}" if reply else f"Output: {output}"
    return CheckResult("start", State.FAILED, f"{command}: {reason}", fix)


def _send(request: Request, timeout_seconds: float) -> tuple[int, str]:
    """Return status and text of the response, whatever the status.

    Raises:
        OSError: there is no response.
    """
    try:
        with urlopen(request, timeout=timeout_seconds) as response:  # noqa: S310
            return response.status, response.read().decode(errors="replace")
    except HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def _check_first_answer(photo: Request) -> CheckResult:
    subject, fix = "first answer", "Send the same request to `make run`; its log says more."
    path = photo.selector.partition("?")[0]
    try:
        status, reply = _send(photo, ANSWER_TIMEOUT_SECONDS)
    except OSError as error:
        return CheckResult(subject, State.FAILED, f"{path}: {error}", fix)
    # In every protocol the first label in the response is that of the first candidate.
    label = re.search(r'"candidates":\s*\[\s*{\s*"label":\s*"([^"]+)"', reply)
    if status != 200 or label is None:
        return CheckResult(subject, State.FAILED, f"{path}: {status} {reply[:200]}", fix)
    return CheckResult(subject, State.OK, f"{path}: {label[1]}")


def _check_memory(pid: int, limit_mb: int) -> CheckResult:
    """Compare the peak memory of the app so far with the host's limit."""
    peak_mb = peak_memory_mb(pid)
    message = f"{peak_mb:.0f} MB of {limit_mb} MB"
    if peak_mb > limit_mb:
        return CheckResult("memory in use", State.FAILED, message, "Choose a larger plan.")
    return CheckResult("memory in use", State.OK, message)


def peak_memory_mb(pid: int) -> float:
    """Return a process's peak memory; where the system records none, its current memory."""
    status = Path(f"/proc/{pid}/status")
    peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    if peak:
        return int(peak[1]) / 1024
    return float(psutil.Process(pid).memory_info().rss) / 2**20 if psutil.pid_exists(pid) else 0


def _stop(process: subprocess.Popen[bytes], timeout_seconds: int) -> CheckResult:
    """Send SIGTERM, and SIGKILL to the group if the process is still running."""
    began = time.monotonic()
    if process.poll() is None:
        process.terminate()
    try:
        code = process.wait(timeout_seconds)
        message = f"exited with {code} {time.monotonic() - began:.1f} s after SIGTERM"
    except subprocess.TimeoutExpired:
        code, message = None, f"still running {timeout_seconds} s after SIGTERM"
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if code in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
        return CheckResult("end", State.OK, message)
    fix = "The start command must exec the app, so that it receives the signal."
    return CheckResult("end", State.FAILED, message, fix)
