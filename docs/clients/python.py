"""A client for Loupe's HTTP API. Needs only Python 3.9 or later: copy this file where you need it.

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

RETRY_CODES = ("busy", "stopping", "error")  # with status 503; "error" is a proxy's own page
CONNECTION_ERRORS = (OSError, HTTPException, ValueError)  # ValueError: incomplete JSON
MAX_PHOTO_BYTES = 20 * 2**20
MAX_BATCH_BYTES = 100 * 2**20
USAGE = """\
Usage: python python.py SERVER PHOTO...
Example: python python.py http://localhost:8501 photo.jpg"""


class Problem(Exception):
    """An error: ``code`` is stable and for programs, ``detail`` is for people."""

    def __init__(self, status: int, code: str, detail: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{code}: {detail}")
        self.status, self.code, self.detail, self.retry_after = status, code, detail, retry_after


class Loupe:
    """A server. ``timeout``: seconds without a byte; ``patience``: seconds to retry while busy."""

    def __init__(self, server: str, timeout: float = 60.0, patience: float = 30.0) -> None:
        self.api = f"{server.rstrip('/')}/api/v1"
        self.timeout, self.patience = timeout, patience

    def identify(self, photo: str | Path | bytes, **params: Any) -> dict[str, Any]:
        """Identify a photo. ``params``: ``model``, ``top``, ``explain``."""
        return self._json("/identify", _read(photo), "application/octet-stream", params)

    def correct(self, photo: str | Path | bytes, label: str, **params: Any) -> dict[str, Any]:
        """Save a correction. ``params``: ``model``; ``keep=True`` saves the photo as well."""
        params["label"] = label
        return self._json("/corrections", _read(photo), "application/octet-stream", params)

    def models(self) -> list[dict[str, Any]]:
        """Return the server's models."""
        return self._json("/models")["models"]

    def batch(self, photos: Iterable[str | Path], **params: Any) -> Iterator[dict[str, Any]]:
        """Yield results in order, each as soon as it is ready; a result may be an ``error``."""
        paths, boundary, parts, count = list(map(Path, photos)), uuid4().hex, [], 0
        for path in paths:
            name = path.name.translate({34: "%22", 10: "%0A", 13: "%0D"})
            head = f'Content-Disposition: form-data; name="photos"; filename="{name}"'
            parts += [f"--{boundary}\r\n{head}\r\n\r\n".encode(), path.read_bytes(), b"\r\n"]
        content_type, accept = f"multipart/form-data; boundary={boundary}", "application/x-ndjson"
        body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
        if len(body) > MAX_BATCH_BYTES:
            message = "These photos are larger than 100 MB together. Send fewer at a time."
            raise Problem(413, "too-large", message)
        response = self._open("/identify/batch", body, content_type, params, accept)
        with response, suppress(*CONNECTION_ERRORS):
            for line in response:
                if line.endswith(b"\n"):  # otherwise it is incomplete
                    yield json.loads(line)
                    count += 1
        if count < len(paths):
            message = f"The connection broke after {count} of {len(paths)} results."
            raise Problem(0, "cut", message)

    def _json(self, path: str, body: Any = None, content_type: str = "", params: Any = ()) -> Any:
        with self._open(path, body, content_type, params) as response:
            try:
                return json.load(response)
            except CONNECTION_ERRORS as error:
                raise Problem(0, "cut", f"The connection broke: {error}.") from None

    def _open(
        self, path: str, body: Any, content_type: str, params: Any, accept: str = "*/*"
    ) -> Any:
        query = urlencode(
            {name: value for name, value in dict(params).items() if value is not None}
        )
        deadline = time.monotonic() + self.patience
        while True:
            request = Request(f"{self.api}{path}?{query}", body, {"Accept": accept})
            if body is not None:
                request.add_header("Content-Type", content_type)
            try:
                return urlopen(request, timeout=self.timeout)
            except HTTPError as error:
                problem = _problem(error)
            except CONNECTION_ERRORS as error:
                raise Problem(0, "unreachable", f"No response from {self.api}: {error}.") from None
            wait = max(problem.retry_after, 0.5) * random.uniform(1, 1.5)
            if (
                problem.status != 503
                or problem.code not in RETRY_CODES
                or time.monotonic() + wait > deadline
            ):
                raise problem
            time.sleep(wait)


def _read(photo: str | Path | bytes) -> bytes:
    data = photo if isinstance(photo, bytes) else Path(photo).read_bytes()
    if len(data) > MAX_PHOTO_BYTES:
        raise Problem(413, "too-large", "This photo is larger than 20 MB. Send a smaller version.")
    return data


def _problem(error: HTTPError) -> Problem:
    retry_after = error.headers.get("Retry-After", "")
    try:
        problem = json.load(error)
        code, detail = problem["code"], problem["detail"]
    except (*CONNECTION_ERRORS, KeyError, TypeError):  # a proxy's page
        code, detail = "error", f"The server responded with {error.code}."
    return Problem(error.code, code, detail, float(retry_after) if retry_after.isdigit() else 0.0)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        print(USAGE, file=sys.stderr)
        sys.exit(2)
    loupe, paths = Loupe(sys.argv[1]), sys.argv[2:]
    try:
        for result in loupe.batch(paths) if len(paths) > 1 else [loupe.identify(paths[0])]:
            print(json.dumps(result, ensure_ascii=False), flush=True)
    except (Problem, OSError) as problem:
        sys.exit(str(problem))
