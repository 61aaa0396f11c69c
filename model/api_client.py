"""A client of the API that ``LOUPE_API`` names: photos go there, predictions come back."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.client import HTTPException, HTTPResponse
from typing import Annotated, Any, cast
from urllib.parse import urlencode
from urllib.request import HTTPErrorProcessor, ProxyHandler, Request, build_opener

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from . import errors
from .admission import AdmissionCancelled
from .answer.prediction import Milliseconds, Prediction
from .bundle import Bundle
from .engine_info import ServerEngine
from .errors import Busy, EngineUnavailable, OtherVersion, PhotoError, PhotoTooLarge
from .preprocess import Pixels
from .settings import settings
from .text import clean

MAX_LABELS = 1000
"""Most labels that the API returns."""

PASSED_ON = "Loupe-Passed-On"
"""Header of photos that an app sends to its API: an app with ``LOUPE_API`` refuses them."""

MAX_REPLY_BYTES = 2**22
SPARE_SECONDS = 20
"""Time for a reply beyond the longest wait in the API's queue, in seconds."""

RETRY_SECONDS = 600
"""Longest time that a batch retries one photo while the API is busy, in seconds."""

KINDS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, PhotoError | OtherVersion)
}
"""Errors that are the same wherever a photo is identified, by code."""


class _Candidate(BaseModel):
    label: str
    probability: Annotated[float, Field(ge=0, le=1, strict=True)]


class _Answer(BaseModel):
    """What is taken of an answer, whose labels must be a bundle's."""

    model_config = ConfigDict(strict=True)

    engine: ServerEngine
    candidates: list[_Candidate]
    known: bool | None
    novelty: FiniteFloat | None
    plausible: list[str] | None
    milliseconds: dict[str, FiniteFloat]


class _AnyStatus(HTTPErrorProcessor):
    """Leaves every status to the caller: a followed redirect would send the photo elsewhere."""

    def http_response(self, request: Request, response: HTTPResponse) -> HTTPResponse:
        return response

    https_response = http_response


def open_url(url: str, body: bytes | None = None, *, timeout: float) -> HTTPResponse:
    """Return the response of an address that the settings have checked, whatever its status.

    ``timeout`` is the longest wait for a part of it, in seconds.

    Raises:
        OSError, HTTPException: it can't be reached.
    """
    # What goes to a private address passes no proxy.
    proxies = [ProxyHandler({})] if url.startswith("http:") else []
    headers = {} if body is None else {"Content-Type": "application/octet-stream", PASSED_ON: "1"}
    request = Request(url, body, headers)  # noqa: S310 - the settings check the scheme
    return cast(HTTPResponse, build_opener(_AnyStatus, *proxies).open(request, timeout=timeout))


def refuse_passed_on(headers: Mapping[str, str]) -> None:
    """Refuse a photo that was passed on, if this app passes photos on: it might go in a circle.

    Raises:
        EngineUnavailable: it is such a photo.
    """
    if settings().api and PASSED_ON in headers:
        raise EngineUnavailable(
            "LOUPE_API names an app that passes photos on itself. Give the address of one that "
            "answers."
        )


def request_prediction(
    bundle: Bundle,
    source: bytes | Pixels,
    *,
    is_batch: bool = False,
    is_cancelled: Callable[[], bool] | None = None,
) -> Prediction:
    """Return the API's prediction with a bundle's labels.

    Args:
        bundle: the model, of the same version as there.
        source: a photo's bytes, or the pixels that a browser made of one.
        is_batch: whether to ask again while the API is busy, for ``RETRY_SECONDS``.
        is_cancelled: polled before each request.

    Raises:
        PhotoError, Busy: what the API answered.
        OtherVersion: the API has another version of the model.
        EngineUnavailable: it can't be reached, or its answer can't be used.
        AdmissionCancelled: ``is_cancelled`` returned True.
    """
    query = {"model": bundle.name, "top": MAX_LABELS}
    if isinstance(source, np.ndarray):
        query["pixels"], source = bundle.version, source.tobytes()
    address, ends = settings().api, time.monotonic() + RETRY_SECONDS
    while True:
        if is_cancelled is not None and is_cancelled():
            raise AdmissionCancelled
        try:
            answer = _post(address, f"/api/v1/identify?{urlencode(query)}", source)
            break
        except Busy:
            if not is_batch:
                raise
            if time.monotonic() > ends:
                raise Busy(
                    f"The API at {address} was busy for {RETRY_SECONDS / 60:.0f} minutes. See what "
                    "keeps it busy: this photo may crash it. Then start again."
                ) from None
            time.sleep(1)
    try:
        if answer["version"] != bundle.version:
            version = clean(str(answer["version"]))[:40]
            raise OtherVersion(
                f"The API at {address} has version {version} of {bundle.name}, and this app "
                f"{bundle.version}. Give both the same version."
            )
        return replace(_to_prediction(answer, bundle), from_pixels="pixels" in query)
    except (LookupError, TypeError, ValueError) as error:
        raise EngineUnavailable(f"{address} sent a damaged answer. Check LOUPE_API.") from error


def _post(address: str, path: str, body: bytes) -> dict[str, Any]:
    """Return the JSON object in the reply, or raise the error that it stands for."""
    timeout = settings().deadline + SPARE_SECONDS
    try:
        with open_url(address + path, body, timeout=timeout) as reply:
            status, text = reply.status, _read(reply, timeout)
    except (OSError, HTTPException) as error:
        reason = clean(str(getattr(error, "reason", None) or error))[:200]
        raise EngineUnavailable(
            f"The API at {address} can't be reached: {reason}. Check LOUPE_API, or start the API."
        ) from error
    try:
        document = dict(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        document = {}
    if status == 200:
        return document
    code, detail = str(document.get("code")), clean(str(document.get("detail", "")))[:500]
    if code in KINDS:
        raise KINDS[code](detail)
    if status == 413:
        raise PhotoTooLarge(f"A proxy at {address} refuses files of this size. Raise its limit.")
    # Ray Serve and proxies refuse in plain text.
    if status == 503 and code in ("busy", "stopping", "store-pending", "None"):
        raise Busy(detail or "Too many photos are waiting right now. Try again in a moment.")
    hint = "Give its own address, without a redirect." if 300 <= status < 400 else detail
    raise EngineUnavailable(f"The API at {address} answered {status}. {hint or 'Check LOUPE_API.'}")


def _read(reply: HTTPResponse, timeout: float) -> bytes:
    """Return a reply, cut off where it is too long or takes too long: it may come byte by byte."""
    text, ends = b"", time.monotonic() + timeout
    while len(text) < MAX_REPLY_BYTES and time.monotonic() < ends and (part := reply.read1(2**16)):
        text += part
    return text


def _to_prediction(document: dict[str, Any], bundle: Bundle) -> Prediction:
    """Return the prediction in an answer; labels that it leaves out have zero probability."""
    answer = _Answer.model_validate(document)
    index = {label: number for number, label in enumerate(bundle.labels)}
    order = [index[candidate.label] for candidate in answer.candidates]
    plausible = [index[label] for label in answer.plausible or ()]
    is_complete = len(order) >= min(len(index), MAX_LABELS)
    if not is_complete or len({*order}) < len(order) or len({*plausible}) < len(plausible):
        raise ValueError("labels are missing, or one is named twice")
    probabilities = np.zeros(len(index), dtype=np.float32)
    probabilities[order] = [candidate.probability for candidate in answer.candidates]
    prediction = Prediction.of_bundle(
        bundle,
        answer.engine,
        probabilities,
        order=(*order, *sorted(set(index.values()) - set(order))),
        milliseconds=Milliseconds(**answer.milliseconds),
        in_distribution=answer.known,
        ood_score=answer.novelty,
    )
    if answer.plausible is None:
        return prediction
    return replace(prediction, prediction_set=tuple(map(prediction.candidate, plausible)))
