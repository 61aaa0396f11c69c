"""A trial of the app, started as a host does it: its model, its answers, its memory."""

import base64
import json
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from model import LoupeError, load
from model.answer.prediction import Prediction
from model.classifier import TOLERANCE
from model.samples import samples
from model.text import count_of

from .client import Reply, send
from .comparison import CheckResult, ExpectedModel, State
from .host import Host
from .spec import APP
from .start import StartedApp, StartPlan, peak_memory_mb, start_app

TIMEOUT_SECONDS = 60
MAX_CANDIDATES = 1000
"""Most candidates that the API returns."""
LOG_FIX = "Send the same request to `make run`; its log says more."
JPEG = {"Content-Type": "image/jpeg"}


def run_trial(host: Host, plan: StartPlan, expected: ExpectedModel) -> Iterator[CheckResult]:
    """Start the app by a plan, call it through the host's routes and stop it; yield each result.

    Raises:
        DeployError: the command cannot be run.
    """
    with TemporaryDirectory(prefix="loupe-") as folder:
        app = start_app(plan, Path(folder))
        try:
            result, reply = app.wait_until_ready(host.start.ready_path)
            yield result
            if reply and result.state is State.OK:
                yield from _try_app(host, app, reply, expected)
            elif reply and reply.document.get("code") == "no-such-model":
                yield expected.compare(None, None, (), "")
        finally:
            app.stop()


def _try_app(
    host: Host, app: StartedApp, ready: Reply, expected: ExpectedModel
) -> Iterator[CheckResult]:
    try:
        listed = send(app.base_url + APP.models_path, TIMEOUT_SECONDS).document
        offered: list[dict[str, Any]] = listed.get("models", [])
        # The app is ready only after it has reproduced the golden outputs.
        identity = expected.compare(
            ready.document.get("model"),
            ready.document.get("version"),
            [model.get("name") for model in offered],
            "golden outputs reproduced",
        )
        yield identity
        if identity.state is State.OK:
            yield _check_answers(host, app.base_url, expected)
            yield _check_memory(app, offered)
    except (OSError, HTTPException) as error:
        yield CheckResult("answers", State.FAILED, f"the app stopped responding: {error}", LOG_FIX)


def _check_answers(host: Host, base_url: str, expected: ExpectedModel) -> CheckResult:
    """Compare the answers to the sample photos with those of the model on this machine."""
    try:
        classifier = load(expected.bundle.name, "compiled")
    except LoupeError as error:
        message = f"no answer on this machine: {error}"
        return CheckResult("answers", State.FAILED, message, "python -m model verify")
    differences, photos = [], samples()
    for photo in photos:
        path, body, headers = _make_request(host, photo.read())
        reply = send(base_url + path, TIMEOUT_SECONDS, body, headers)
        candidates = get_candidates(reply)
        route = path.partition("?")[0]
        if reply.status != 200 or not candidates:
            message = f"{route}: {reply.status} {reply.text[:200]}"
            return CheckResult("answers", State.FAILED, message, LOG_FIX)
        if difference := find_difference(candidates, classifier.identify(photo.read())):
            differences.append(f"{photo.name}: {difference}")
    if differences:
        message = f"{route}: {len(differences)} of {len(photos)} sample photos answered differently"
        return CheckResult("answers", State.FAILED, message, "; ".join(differences))
    message = f"{route}: {len(photos)} of {len(photos)} sample photos answered as here"
    return CheckResult("answers", State.OK, message)


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


def find_difference(candidates: dict[str, float], prediction: Prediction) -> str:
    """Return the difference between a response and the local prediction; empty if none.

    Probabilities may differ by as much as from golden outputs.

    Args:
        candidates: probabilities by label.
        prediction: the model's prediction on this machine.
    """
    expected = {c.label: c.probability for c in prediction.top(MAX_CANDIDATES)}
    if candidates.keys() != expected.keys():
        return f"{len(candidates)} labels, here {len(expected)}, not all of them the same"
    for label, probability in candidates.items():
        # Written so that NaN counts as a difference.
        if not abs(probability - expected[label]) <= TOLERANCE:
            return f"{label} {probability:.2%}, here {expected[label]:.2%}"
    return ""


def _check_memory(app: StartedApp, offered: list[dict[str, Any]]) -> CheckResult:
    """Compare the peak memory with the host's limit, after every model has answered."""
    photo = samples()[0].read()
    for model in offered:
        url = f"{app.base_url}{APP.identify_path}?model={quote(str(model.get('name')))}"
        reply = send(url, TIMEOUT_SECONDS, photo, JPEG)
        if reply.status != 200:
            message = f"'{model.get('name')}' gives no answer: {reply.status} {reply.text[:200]}"
            return CheckResult("models", State.FAILED, message, LOG_FIX)
    limit_mb, peak_mb = app.plan.memory_mb, peak_memory_mb(app.process.pid)
    message = f"{peak_mb:.0f} MB of {limit_mb} MB after {count_of(len(offered), 'model')}"
    if peak_mb <= limit_mb:
        return CheckResult("memory in use", State.OK, message)
    fewer = ", or deploy fewer models" if len(offered) > 1 else ""
    return CheckResult("memory in use", State.FAILED, message, f"Choose a larger plan{fewer}.")
