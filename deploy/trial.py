"""A trial of the app, started as a host does it: its model, its answers, its memory."""

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import psutil
from pydantic import SecretStr

from model import LoupeError, load
from model.answer.prediction import Prediction
from model.classifier import TOLERANCE
from model.samples import samples
from model.settings import ROOT, Settings
from model.text import count_of

from .client import Reply, free_port, send
from .files import read_settings
from .host import Host
from .results import CheckResult, ExpectedModel, list_offered
from .spec import APP, DeployError

READY_TIMEOUT_SECONDS = 120
"""Longest wait for the app if the host documents no limit, in seconds."""
POLL_SECONDS = 0.1
TIMEOUT_SECONDS = 60
"""Longest wait for one response of the app, in seconds."""
MAX_CANDIDATES = 1000
"""Most candidates that the API returns."""

EXCLUDED_PREFIXES = ("LOUPE_", "STREAMLIT_", "AIP_", "SPACE_", "SAGEMAKER_", "PORT")
"""Prefixes of this machine's variables that must not reach the app."""

REPOSITORY = ("streamlit_app.py", APP.entrypoint, "model/__init__.py")
"""Files by which a folder is recognised as a complete copy of the app."""

LOG_FIX = "Send the same request to `make run`; its log says more."
JPEG = {"Content-Type": "image/jpeg"}


def read_start_settings(host: Host, texts: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which a host starts the app: its own, and those in its files.

    ``LOUPE_MEMORY_MB`` is always among them: on the host the app reads the limit from its cgroup,
    which a trial doesn't have.

    Raises:
        DeployError: the memory in the files is not a number.
    """
    settings = {"LOUPE_MEMORY_MB": str(host.limits.memory_mb), **read_settings(texts)}
    memory_mb = settings["LOUPE_MEMORY_MB"]
    if not memory_mb.isdecimal():
        raise DeployError(
            f"LOUPE_MEMORY_MB is {memory_mb!r} in the files, not a number of megabytes."
        )
    return settings | dict(host.start.environment)


def run_trial(
    host: Host, settings: Mapping[str, str], folder: Path, expected: ExpectedModel
) -> Iterator[CheckResult]:
    """Start the app as a host does, call it through the host's routes and stop it.

    Yields each result. See ``StartedApp`` for the arguments and errors.
    """
    with TemporaryDirectory(prefix="loupe-") as scratch:
        app = StartedApp(host, settings, folder, Path(scratch))
        try:
            result, reply = app.wait_until_ready()
            yield result
            if reply and result.state == "ok":
                yield from _try_app(app, reply, expected)
            elif reply and reply.document.get("code") == "no-such-model":
                yield expected.compare(None, None, (), "")
        finally:
            app.stop()


class StartedApp:
    """A running app, in its own process group, without this machine's settings."""

    def __init__(self, host: Host, settings: Mapping[str, str], folder: Path, scratch: Path):
        """Run the host's command with ``read_start_settings``.

        Args:
            folder: the folder of the host's files and of the models to deploy. If it is a complete
                repository, its own code runs, otherwise that of this checkout.
            scratch: an empty folder for the app's log and data.

        Raises:
            DeployError: the command can't be run.
        """
        folder = folder.resolve()
        self.host, self.settings, self.log = host, settings, scratch / "log"
        is_repository = all((folder / name).is_file() for name in REPOSITORY)
        self.root = folder if is_repository else ROOT
        program, *arguments = host.start.command
        if program == APP.entrypoint:
            program = str(self.root / program)
        self.command, port = (program, *arguments), free_port()
        self.base_url = f"http://127.0.0.1:{port}"
        (scratch / "data").mkdir()
        environment = {
            **_clean_environment(self.root),
            **settings,
            "LOUPE_DATA": str(scratch / "data"),
            "LOUPE_BUNDLES": str(folder / APP.bundles_dir),
            # The trial's data folder doesn't last, so nothing is fetched into it.
            "LOUPE_NPM": "false",
            host.start.port_variable: str(port),
        }
        with self.log.open("wb") as output:
            try:
                self.process = subprocess.Popen(
                    self.command,
                    cwd=self.root,
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise DeployError(f"{self.command[0]} can't be run: {error.strerror}.") from error

    def wait_until_ready(self) -> tuple[CheckResult, Reply | None]:
        """Wait for 200 from the host's health check; return the result and the last response."""
        process, reply, path = self.process, None, self.host.start.ready_path
        command = " ".join(self.command).replace(str(self.root), ".")
        timeout_seconds = self.host.limits.start_seconds or READY_TIMEOUT_SECONDS
        began = time.monotonic()
        deadline = began + timeout_seconds
        reason = f"not ready in {timeout_seconds} s"
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
                    return CheckResult("start", "ok", message), reply
                # A model that can't be loaded stays so: waiting longer would change nothing.
                if reply.status == 503 and (code := reply.document.get("code")):
                    reason = f"never ready: {code}"
                    break
            time.sleep(POLL_SECONDS)
        output = self.log.read_text(errors="replace").strip()[-600:] or "nothing"
        fix = f"Last reply: {reply.text[:200]}. Output: {output}" if reply else f"Output: {output}"
        return CheckResult("start", "failed", f"{command}: {reason}", fix), reply

    def stop(self, timeout_seconds: float = APP.stop_seconds) -> None:
        """Send SIGTERM, and SIGKILL to the group if the process is still running."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout_seconds)
        # Windows can't signal a group.
        with contextlib.suppress(ProcessLookupError, AttributeError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


def _clean_environment(root: Path) -> dict[str, str]:
    """Return this machine's variables without its settings, and with its Python's programs.

    Settings in ``secrets.toml``, a file that no host receives, get their defaults.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(EXCLUDED_PREFIXES)}
    folders = [str(Path(sys.executable).parent), environment.get("PATH", "")]
    environment["PATH"] = os.pathsep.join(folders)
    if root != ROOT:
        # The folder is about to be pushed: nothing of this trial belongs in it.
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    secrets = {}
    with contextlib.suppress(OSError, ValueError):
        secrets = tomllib.loads((root / ".streamlit" / "secrets.toml").read_text("utf-8"))
    for name, field in Settings.model_fields.items():
        if (variable := f"LOUPE_{name.upper()}") in secrets:
            value = field.get_default(call_default_factory=True)
            # A secret's own text is masked; the default of both is empty.
            is_empty = value is None or isinstance(value, SecretStr)
            environment[variable] = "" if is_empty else str(value)
    return environment


def _try_app(app: StartedApp, ready: Reply, expected: ExpectedModel) -> Iterator[CheckResult]:
    opened, version = ready.document.get("model"), ready.document.get("version")
    try:
        offered = list_offered(app.base_url, TIMEOUT_SECONDS)
        # The app is ready only after it has reproduced the golden outputs.
        identity = expected.compare(opened, version, offered, "golden outputs reproduced")
        yield identity
        if identity.state == "ok":
            yield _check_answers(app, expected)
            yield _check_memory(app, offered)
    except (OSError, HTTPException) as error:
        yield CheckResult("answers", "failed", f"the app stopped responding: {error}", LOG_FIX)


def _check_answers(app: StartedApp, expected: ExpectedModel) -> CheckResult:
    """Compare the answers to the sample photos with those of the model on this machine."""
    try:
        classifier = load(expected.bundle.name, "compiled")
    except LoupeError as error:
        message = f"no answer on this machine: {error}"
        return CheckResult("answers", "failed", message, "python -m model verify")
    differences, photos = [], samples()
    for photo in photos:
        path, body, headers = _make_request(app.host, photo.read())
        reply = send(app.base_url + path, TIMEOUT_SECONDS, body, headers)
        candidates = get_candidates(reply)
        route = path.partition("?")[0]
        if reply.status != 200 or not candidates:
            message = f"{route}: {reply.status} {reply.text[:200]}"
            return CheckResult("answers", "failed", message, LOG_FIX)
        if difference := find_difference(candidates, classifier.identify(photo.read())):
            differences.append(f"{photo.name}: {difference}")
    total = len(photos)
    if differences:
        message = f"{route}: {len(differences)} of {total} sample photos answered differently"
        return CheckResult("answers", "failed", message, "; ".join(differences))
    message = f"{route}: {total} of {total} sample photos answered as here"
    return CheckResult("answers", "ok", message)


def _make_request(host: Host, photo: bytes) -> tuple[str, bytes, dict[str, str]]:
    """Return path, body and headers of a request for all candidates by the host's own route."""
    match host.start.protocol:
        case "sagemaker":
            attributes = {"X-Amzn-SageMaker-Custom-Attributes": f"top={MAX_CANDIDATES}"}
            return "/invocations", photo, JPEG | attributes
        case "vertex":
            instance = {"image_bytes": {"b64": base64.b64encode(photo).decode()}}
            document = {"instances": [instance], "parameters": {"top": MAX_CANDIDATES}}
            path = host.start.environment["AIP_PREDICT_ROUTE"]
            return path, json.dumps(document).encode(), {"Content-Type": "application/json"}
        case "api":
            return f"{APP.identify_path}?top={MAX_CANDIDATES}", photo, JPEG


def get_candidates(reply: Reply) -> dict[str, float]:
    """Return the probabilities in a response of any protocol by label; empty if it has none."""
    document = reply.document
    try:
        answer = document["predictions"][0] if "predictions" in document else document
        return {str(c["label"]): float(c["probability"]) for c in answer["candidates"]}
    except (LookupError, TypeError, ValueError):
        return {}


def find_difference(candidates: Mapping[str, float], prediction: Prediction) -> str:
    """Return how a response's probabilities by label differ from this machine's; empty if not.

    They may differ by as much as from golden outputs.
    """
    expected = {c.label: c.probability for c in prediction.top(MAX_CANDIDATES)}
    if candidates.keys() != expected.keys():
        return f"{len(candidates)} labels, here {len(expected)}, not all of them the same"
    for label, probability in candidates.items():
        # Written so that NaN counts as a difference.
        if not abs(probability - expected[label]) <= TOLERANCE:
            return f"{label} {probability:.2%}, here {expected[label]:.2%}"
    return ""


def _check_memory(app: StartedApp, offered: Sequence[str]) -> CheckResult:
    """Compare the peak memory with the host's limit, after every model has answered."""
    photo = samples()[0].read()
    for name in offered:
        url = f"{app.base_url}{APP.identify_path}?model={quote(name)}"
        reply = send(url, TIMEOUT_SECONDS, photo, JPEG)
        if reply.status != 200:
            message = f"'{name}' gives no answer: {reply.status} {reply.text[:200]}"
            return CheckResult("models", "failed", message, LOG_FIX)
    limit_mb, peak_mb = int(app.settings["LOUPE_MEMORY_MB"]), peak_memory_mb(app.process.pid)
    message = f"{peak_mb:.0f} MB of {limit_mb} MB after {count_of(len(offered), 'model')}"
    if peak_mb <= limit_mb:
        return CheckResult("memory in use", "ok", message)
    fewer = ", or deploy fewer models" if len(offered) > 1 else ""
    return CheckResult("memory in use", "failed", message, f"Choose a larger plan{fewer}.")


def peak_memory_mb(pid: int) -> float:
    """Return a process's peak memory; where the system records none, its current memory."""
    status = Path(f"/proc/{pid}/status")
    peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    if peak:
        return int(peak[1]) / 1024
    return float(psutil.Process(pid).memory_info().rss) / 2**20 if psutil.pid_exists(pid) else 0
