"""A trial of the app, started as a host does it: its model, its answers, its memory."""

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from PIL import Image

from model import LoupeError, load
from model.engine_info import ENGINES
from model.samples import samples

from .check import CheckResult, State
from .client import Reply, send
from .deployed_models import check_models, read_models
from .errors import DeployError
from .host import Host
from .served_model import (
    MAX_CANDIDATES,
    MODELS_PATH,
    ExpectedModel,
    check_identity,
    find_difference,
    find_expected,
    get_candidates,
)
from .spec import APP
from .startup import StartedApp, StartPlan, plan_start, start_app

__all__ = ["check_start", "check_without_start", "run_plan"]

ANSWER_TIMEOUT_SECONDS = 60

MEGAPIXELS = (48, 24, 12, 6, 3)
"""Sizes of the large photo, the first of which is about the largest that the app accepts."""

FILE_FIX = "Fix the file it names."
LOG_FIX = "Send the same request to `make run`; its log says more."


def check_start(
    host: Host,
    texts: Mapping[str, str] | None = None,
    folder: Path | None = None,
    model: str | None = None,
) -> Iterator[CheckResult]:
    """Start the app as the host does, try it and stop it; yield each result.

    Args:
        host: the host.
        texts: its files by path; by default as they would be written.
        folder: where they are, with the models to deploy; by default where ``write`` puts them.
        model: the model that the app should open; by default the one that the files name, or
            else the one that opens on this machine.
    """
    try:
        plan = plan_start(host, texts, folder)
        expected = _expect_model(host, plan, model)
        if isinstance(expected, CheckResult):
            yield expected
        else:
            yield from run_plan(host, plan, expected)
    except DeployError as error:
        yield CheckResult("start", State.FAILED, str(error), FILE_FIX)


def check_without_start(
    host: Host,
    texts: Mapping[str, str] | None = None,
    folder: Path | None = None,
    model: str | None = None,
) -> CheckResult:
    """Check which model the host's files open, without starting the app; see ``check_start``."""
    try:
        plan = plan_start(host, texts, folder)
        expected = _expect_model(host, plan, model)
        if isinstance(expected, CheckResult):
            return expected
        return check_models(read_models(plan), expected)
    except DeployError as error:
        return CheckResult("start", State.FAILED, str(error), FILE_FIX)


def _expect_model(host: Host, plan: StartPlan, model: str | None) -> ExpectedModel | CheckResult:
    """Return the model that should open, or the failure if this machine has none to compare."""
    try:
        name = model or plan.environment.get("LOUPE_MODEL")
        return find_expected(name, "the host's files have", host)
    except LoupeError as error:
        fix = "Import it, or name another with --model. This lists them: python -m model list"
        return CheckResult("model", State.FAILED, str(error), fix)


def run_plan(host: Host, plan: StartPlan, expected: ExpectedModel) -> Iterator[CheckResult]:
    """Start the app by a plan, call it through the host's routes and stop it.

    Raises:
        DeployError: the command cannot be run.
    """
    with TemporaryDirectory(prefix="loupe-") as folder:
        app = start_app(plan, Path(folder))
        try:
            result, reply = app.wait_until_ready(_health_path(host))
            yield result
            if reply and result.state is State.OK:
                yield from _try_app(host, app, reply, expected)
            elif reply and reply.document.get("code") == "no-such-model":
                yield expected.missing()
        finally:
            end = app.stop()
        if result.state is State.OK:
            yield end


def _health_path(host: Host) -> str:
    match host.start.protocol:
        case "sagemaker":
            return "/ping"
        case "vertex":
            return host.start.provided_env["AIP_HEALTH_ROUTE"]
        case "api":
            return APP.ready_path


def _try_app(
    host: Host, app: StartedApp, ready: Reply, expected: ExpectedModel
) -> Iterator[CheckResult]:
    try:
        listed = send(app.base_url + MODELS_PATH, ANSWER_TIMEOUT_SECONDS).document
        offered: list[dict[str, Any]] = listed.get("models", [])
        identity = check_identity(ready, offered, expected)
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
        reply = send(base_url + path, ANSWER_TIMEOUT_SECONDS, body, headers)
        candidates = get_candidates(reply)
        route = path.partition("?")[0]
        if reply.status != 200 or not candidates:
            message = f"{route}: {reply.status} {reply.text[:200]}"
            return CheckResult("answers", State.FAILED, message, LOG_FIX)
        if difference := find_difference(candidates, classifier.identify(photo.read())):
            differences.append(f"{photo.name}: {difference}")
    if differences:
        message = f"{route}: {len(differences)} of {len(photos)} sample photos answered otherwise"
        return CheckResult("answers", State.FAILED, message, "; ".join(differences))
    message = f"{route}: {len(photos)} of {len(photos)} sample photos answered as here"
    return CheckResult("answers", State.OK, message)


def _make_request(host: Host, photo: bytes) -> tuple[str, bytes, dict[str, str]]:
    """Return path, body and headers that ask for all candidates through the host's own route."""
    jpeg = {"Content-Type": "image/jpeg"}
    match host.start.protocol:
        case "sagemaker":
            attributes = {"X-Amzn-SageMaker-Custom-Attributes": f"top={MAX_CANDIDATES}"}
            return "/invocations", photo, jpeg | attributes
        case "vertex":
            instance = {"image_bytes": {"b64": base64.b64encode(photo).decode()}}
            document = {"instances": [instance], "parameters": {"top": MAX_CANDIDATES}}
            path = host.start.provided_env["AIP_PREDICT_ROUTE"]
            return path, json.dumps(document).encode(), {"Content-Type": "application/json"}
        case "api":
            return f"{APP.identify_path}?top={MAX_CANDIDATES}", photo, jpeg


def _check_memory(app: StartedApp, offered: Sequence[dict[str, Any]]) -> CheckResult:
    """Compare the peak memory with the host's limit, after what any visitor can do."""
    photo = samples()[0].read()
    for model in offered:
        reply = _identify(app, photo, f"model={quote(str(model.get('name')))}")
        if reply.status != 200:
            message = f"'{model.get('name')}' gives no answer: {reply.status} {reply.text[:200]}"
            return CheckResult("models", State.FAILED, message, LOG_FIX)
    megapixels = _send_large_photo(app)
    limit_mb, peak_mb = app.plan.memory_mb, app.peak_memory_mb
    models = f"{len(offered)} model{'s' if len(offered) != 1 else ''}"
    message = (
        f"{peak_mb:.0f} MB of {limit_mb} MB after {models} and a photo of {megapixels} megapixels"
    )
    fewer = ", deploy fewer models" if len(offered) > 1 else ""
    fix = (
        f"Choose a larger plan{fewer}, or lower LOUPE_MEMORY_MB: the app then rejects large photos."
    )
    # A visitor may choose an engine on the page; the API has no parameter for it.
    names = {name for model in offered for name in model.get("engines", [])}
    for engine in (ENGINES[name] for name in names if name in ENGINES):
        if engine.memory_mb:
            message += f"; the {engine.name} engine needs {engine.memory_mb:,} MB where installed"
            peak_mb = max(peak_mb, engine.memory_mb)
    state = State.FAILED if peak_mb > limit_mb else State.OK
    return CheckResult("memory in use", state, message, fix if state is State.FAILED else "")


def _send_large_photo(app: StartedApp) -> int:
    """Send photos, the largest first, until the app accepts one; return its megapixels."""
    for megapixels in MEGAPIXELS:
        if _identify(app, _make_large_photo(megapixels)).status == 200:
            return megapixels
    return 0


def _make_large_photo(megapixels: int) -> bytes:
    """Return a progressive JPEG without subsampling, of few bytes.

    Its decoder holds all coefficients, 6 bytes per pixel: no other JPEG takes more memory.
    """
    height = round((megapixels * 1e6 / (4 / 3)) ** 0.5)
    gradient = Image.linear_gradient("L").resize((height * 4 // 3, height))
    picture = Image.merge(
        "RGB", [gradient, gradient.transpose(Image.Transpose.ROTATE_180), gradient]
    )
    file = io.BytesIO()
    picture.save(file, "JPEG", progressive=True, subsampling=0)
    return file.getvalue()


def _identify(app: StartedApp, photo: bytes, query: str = "") -> Reply:
    url = f"{app.base_url}{APP.identify_path}?{query}"
    return send(url, ANSWER_TIMEOUT_SECONDS, photo, {"Content-Type": "image/jpeg"})
