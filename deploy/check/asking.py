"""The questions that a host asks the app: is it ready, and what is on this photo."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from model.samples import samples

from ..host import Host
from ..spec import APP

__all__ = ["Question", "ask", "best", "questions"]

PATIENCE = 60
"""Seconds for one answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """A path, and what is posted to it; without a body it is a GET."""

    path: str
    body: bytes | None = None
    kind: str = ""


def questions(host: Host, environment: Mapping[str, str]) -> tuple[Question, Question]:
    """The host's health check, and a sample photo through the host's own route."""
    photo = samples()[0]
    body, kind = photo.read(), f"image/{photo.path.suffix[1:].replace('jpg', 'jpeg')}"
    if host.asks == "sagemaker":
        return Question("/ping"), Question("/invocations", body, kind)
    if host.asks == "vertex":
        instance = {"image_bytes": {"b64": base64.b64encode(body).decode()}}
        wrapped = json.dumps({"instances": [instance], "parameters": {"top": 1}}).encode()
        return (
            Question(environment["AIP_HEALTH_ROUTE"]),
            Question(environment["AIP_PREDICT_ROUTE"], wrapped, "application/json"),
        )
    return Question(APP.ready), Question(f"{APP.identify}?top=1", body, kind)


def ask(base: str, question: Question, patience: float = PATIENCE) -> tuple[int, str]:
    """Status and text of the answer, whatever the status; waits so many seconds for it.

    Raises:
        OSError: nobody answers.
    """
    headers = {"Content-Type": question.kind} if question.kind else {}
    request = Request(  # noqa: S310 - this machine's own server
        base + question.path, data=question.body, headers=headers
    )
    try:
        with urlopen(request, timeout=patience) as answer:  # noqa: S310
            return answer.status, answer.read().decode(errors="replace")
    except HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def best(said: str) -> tuple[str, float] | None:
    """Label and probability of the first candidate, in each form of answer; None without one."""
    try:
        found: Any = json.loads(said)
        found = found["predictions"][0] if "predictions" in found else found
        first = found["candidates"][0]
        return str(first["label"]), float(first["probability"])
    except (ValueError, LookupError, TypeError):
        return None
