"""A client of the API that ``LOUPE_API`` names: photos go there, predictions come back."""

import json
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

import numpy as np

from .admission import AdmissionCancelled
from .answer.prediction import Milliseconds, Prediction
from .bundle import Bundle
from .errors import Busy, EngineUnavailable, LoupeError, OtherVersion, PhotoError
from .preprocess import Pixels
from .settings import settings

MAX_LABELS = 1000
"""Most labels that the API returns."""

MAX_REPLY_BYTES = 2**22
"""Longest reply that is read, in bytes."""

SPARE_SECONDS = 20
"""Time for a reply beyond the longest wait in the API's queue, in seconds."""


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **more: Any) -> None:
        """Leave a redirect an error: it would send the photo elsewhere."""


def request_prediction(
    address: str,
    bundle: Bundle,
    source: bytes | Pixels,
    *,
    is_batch: bool = False,
    is_cancelled: Callable[[], bool] | None = None,
) -> Prediction:
    """Return the prediction of the API at an address, with the labels and the card of a bundle.

    Args:
        address: where the other Loupe is.
        bundle: the model, of the same version as there.
        source: a photo's bytes, or the pixels that a browser made of one.
        is_batch: whether to ask again for as long as the API is busy.
        is_cancelled: polled meanwhile.

    Raises:
        PhotoError, Busy: what the API answered.
        OtherVersion: the API has another version of the model.
        EngineUnavailable: it can't be reached, or its answer isn't one.
        AdmissionCancelled: ``is_cancelled`` returned True.
    """
    query = {"model": bundle.name, "top": MAX_LABELS}
    if isinstance(source, np.ndarray):
        query["pixels"], source = bundle.version, source.tobytes()
    url = f"{address.rstrip('/')}/api/v1/identify?{urlencode(query, quote_via=quote)}"
    while True:
        if is_cancelled is not None and is_cancelled():
            raise AdmissionCancelled
        status, document, wait_seconds = _post(url, source)
        if status != 503 or not is_batch or document.get("code", "busy") != "busy":
            break
        time.sleep(wait_seconds)
    if status != 200:
        raise _to_error(address, status, document)
    if document.get("version") != bundle.version:
        raise OtherVersion(
            f"The API at {address} has version {document.get('version')} of {bundle.name}, and "
            f"this app {bundle.version}. Give both the same version."
        )
    try:
        return _to_prediction(document, bundle)
    except (LookupError, TypeError, ValueError) as error:
        raise EngineUnavailable(f"The answer of the API at {address} is damaged.") from error


def _post(url: str, body: bytes) -> tuple[int, dict[str, Any], float]:
    """Return status, JSON object and the seconds to wait before another request."""
    # A photo for a private address doesn't pass a proxy.
    proxies = [ProxyHandler({})] if url.startswith("http:") else []
    headers = {"Content-Type": "application/octet-stream"}
    request = Request(url, body, headers)  # noqa: S310 - the settings allow only http and https
    try:
        try:
            reply = build_opener(_NoRedirects, *proxies).open(
                request, timeout=settings().deadline + SPARE_SECONDS
            )
        except HTTPError as error:
            reply = error
        with reply:
            text = reply.read(MAX_REPLY_BYTES)
            status, retry_after = reply.status, reply.headers.get("Retry-After", "")
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise EngineUnavailable(
            f"The API at {url.partition('/api/')[0]} can't be reached: {reason}. Check LOUPE_API, "
            "and that it runs."
        ) from error
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = {}
    seconds = float(retry_after) if retry_after.isdecimal() else 1.0
    return status, document if isinstance(document, dict) else {}, min(seconds, 10.0)


def _to_error(address: str, status: int, problem: dict[str, Any]) -> LoupeError:
    """Return the error that a problem (RFC 9457) stands for."""
    code, detail = problem.get("code"), str(problem.get("detail", ""))[:500]
    kinds = {kind.code: kind for kind in _subclasses(PhotoError)}
    if isinstance(code, str) and code in kinds:
        return kinds[code](detail)
    # Serve and proxies refuse in plain text.
    if status == 503 and code in ("busy", "stopping", None):
        return Busy(detail or "Too many photos are waiting right now. Try again in a moment.")
    if code == OtherVersion.code:
        return OtherVersion(detail)
    hint = "Give its own address, without a redirect." if 300 <= status < 400 else detail
    return EngineUnavailable(f"The API at {address} answered {status}. {hint}".strip())


def _subclasses(kind: type[PhotoError]) -> Iterator[type[PhotoError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _to_prediction(answer: dict[str, Any], bundle: Bundle) -> Prediction:
    """Return the prediction in an answer; labels that it leaves out have zero probability."""
    index = {label: number for number, label in enumerate(bundle.labels)}
    order = [index[candidate["label"]] for candidate in answer["candidates"]]
    probabilities = np.zeros(len(index), dtype=np.float32)
    probabilities[order] = [candidate["probability"] for candidate in answer["candidates"]]
    order += sorted(set(index.values()) - set(order))
    plausible = answer["plausible"]
    return Prediction.of_bundle(
        bundle,
        answer["engine"],
        probabilities,
        order=tuple(order),
        milliseconds=Milliseconds(**answer["milliseconds"]),
        in_distribution=answer["known"],
        ood_score=answer["novelty"],
        prediction_set=None
        if plausible is None
        else tuple(
            Prediction.of_bundle(bundle, answer["engine"], probabilities).candidate(index[label])
            for label in plausible
        ),
    )
