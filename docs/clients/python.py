"""A client of Loupe's HTTP API; needs Python 3.9 and nothing else. Copy it where you need it.

    python python.py http://localhost:8501 photo.jpg
    python python.py http://localhost:8501 photo.jpg another.png holiday.webp

From a program: ``Loupe("http://localhost:8501").identify("photo.jpg", top=3)["answer"]``
"""
# ruff: noqa: S310, S311, T201

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen
from uuid import uuid4

AGAIN = ("busy", "stopping", "error")  # of a 503; a proxy's own has no code


CUT = (OSError, HTTPException, ValueError)  # no connection, one that broke, half a JSON


class Problem(Exception):
    """A refusal: ``code`` is stable and for programs, ``detail`` for people."""

    def __init__(self, status: int, code: str, detail: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{code}: {detail}")
        self.status, self.code, self.detail, self.retry_after = status, code, detail, retry_after


class Loupe:
    """A server. ``timeout``: seconds without a byte. ``patience``: all waiting for a busy one."""

    def __init__(self, server: str, timeout: float = 60.0, patience: float = 30.0) -> None:
        self.api = f"{server.rstrip('/')}/api/v1"
        self.timeout, self.patience = timeout, patience

    def identify(self, photo: str | Path | bytes, **asked: Any) -> dict[str, Any]:
        """What is on a photo. ``asked``: ``model``, ``top``, ``explain``."""
        return self._json("/identify", _read(photo), "application/octet-stream", asked)

    def correct(self, photo: str | Path | bytes, label: str, **asked: Any) -> dict[str, Any]:
        """Say what a photo shows. ``asked``: ``model``; ``keep=True`` if it may be kept."""
        asked["label"] = label
        return self._json("/corrections", _read(photo), "application/octet-stream", asked)

    def models(self) -> list[dict[str, Any]]:
        """The models that can be asked."""
        return self._json("/models")["models"]

    def batch(self, photos: Iterable[str | Path], **asked: Any) -> Iterator[dict[str, Any]]:
        """Answers in order, each as soon as it is there; one may be an ``error``."""
        paths, mark, parts, count = list(map(Path, photos)), uuid4().hex, [], 0
        for path in paths:
            name = path.name.translate({34: "%22", 10: "%0A", 13: "%0D"})
            head = f'Content-Disposition: form-data; name="photos"; filename="{name}"'
            parts += [f"--{mark}\r\n{head}\r\n\r\n".encode(), path.read_bytes(), b"\r\n"]
        kind, lines = f"multipart/form-data; boundary={mark}", "application/x-ndjson"
        body = b"".join([*parts, f"--{mark}--\r\n".encode()])
        if len(body) > 100 * 2**20:  # it is not even sent
            raise Problem(
                413, "too-large", "These photos have more than 100 MB. Send fewer at once."
            )
        with self._open("/identify/batch", body, kind, asked, lines) as answers, suppress(*CUT):
            for line in (one for one in answers if one.endswith(b"\n")):
                yield json.loads(line)
                count += 1
        if count < len(paths):
            raise Problem(0, "cut", f"The server went away after {count} of {len(paths)} answers.")

    def _json(self, path: str, body: Any = None, kind: str = "", asked: Any = ()) -> Any:
        with self._open(path, body, kind, asked) as answer:
            try:
                return json.load(answer)
            except CUT as error:
                raise Problem(0, "cut", f"The server went away: {error}.") from None

    def _open(self, path: str, body: Any, kind: str, asked: Any, accept: str = "*/*") -> Any:
        words = urlencode({name: value for name, value in dict(asked).items() if value is not None})
        until = time.monotonic() + self.patience
        while True:
            request = Request(f"{self.api}{path}?{words}", body, {"Accept": accept})
            if body is not None:
                request.add_header("Content-Type", kind)
            try:
                return urlopen(request, timeout=self.timeout)
            except HTTPError as error:
                problem = _problem(error)
            except CUT as error:
                raise Problem(0, "unreachable", f"No answer from {self.api}: {error}.") from None
            wait = max(problem.retry_after, 0.5) * random.uniform(1, 1.5)
            if (
                problem.status != 503
                or problem.code not in AGAIN
                or time.monotonic() + wait > until
            ):
                raise problem
            time.sleep(wait)


def _read(photo: str | Path | bytes) -> bytes:
    data = photo if isinstance(photo, bytes) else Path(photo).read_bytes()
    if len(data) > 20 * 2**20:  # it is not even sent
        raise Problem(413, "too-large", "This photo has more than 20 MB.")
    return data


def _problem(error: HTTPError) -> Problem:
    after = error.headers.get("Retry-After", "")
    try:
        said = json.load(error)
        code, detail = said["code"], said["detail"]
    except (*CUT, KeyError, TypeError):  # a proxy's page, not the API's words
        code, detail = "error", f"The server answered {error.code}."
    return Problem(error.code, code, detail, float(after) if after.isdigit() else 0.0)


if __name__ == "__main__":
    loupe, paths = Loupe(sys.argv[1]), sys.argv[2:]
    try:
        for answer in loupe.batch(paths) if len(paths) > 1 else [loupe.identify(paths[0])]:
            print(json.dumps(answer, ensure_ascii=False), flush=True)
    except (Problem, OSError) as problem:
        sys.exit(str(problem))
