"""Streamlit's static files, compressed once: Streamlit sends them as they are, 2.3 MB a visit.

``python -m api.static_files`` packs them in an image's build; elsewhere the server does so in the
background when it first starts.
"""

import subprocess
import sys
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.exporting.cache import cached_folder, find_folder
from model.settings import ROOT

from .caching import IMMUTABLE
from .packing import ENCODINGS

__all__ = ["StaticFilesMiddleware", "packed_dir", "packed_name"]

TIMEOUT_SECONDS = 1800
"""Longest time to pack the files, which takes 6 s of CPU time at a low priority, in seconds."""


def packed_name() -> str:
    """Return the name of the packed files' folder in the cache."""
    return f"static/{version('streamlit')}"


def packed_dir() -> Path:
    """Return the folder of packed files; the first call packs them, which takes seconds.

    Raises:
        OSError: it can't be written, or packing failed.
    """
    return cached_folder(packed_name(), _pack)


def _pack(folder: Path) -> None:
    spec = find_spec("streamlit")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("Streamlit isn't installed.")
    command = [sys.executable, "-m", f"{__package__}.packing"]
    try:
        subprocess.run(
            [*command, str(Path(spec.origin).parent / "static"), str(folder)],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.SubprocessError as error:
        lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
        raise OSError(
            f"Streamlit's files couldn't be packed, so they stay large: {lines[-1]}"
        ) from error


class StaticFilesMiddleware:
    """Middleware that sends a packed file to browsers that take it; all else is Streamlit's."""

    def __init__(self, app: ASGIApp, base_path: str = "") -> None:
        self.app = app
        self._prefix = f"{base_path}/static/"
        self._base_path = base_path
        self._sender = StaticFiles()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or not scope["path"].startswith(self._prefix):
            await self.app(scope, receive, send)
        elif response := self._find(scope):
            await response(scope, receive, send)
        else:

            async def send_plain(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
                await send(message)

            await self.app(scope, receive, send_plain)

    def _find(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        folder = find_folder(packed_name())
        # A range is one of the plain file's.
        if folder is None or "range" in headers or scope["method"] not in ("GET", "HEAD"):
            return None
        name = scope["path"].removeprefix(self._base_path).removeprefix("/")
        for encoding in accepted_encodings(headers.get("accept-encoding", "")):
            file = name + ENCODINGS[encoding]
            if file not in _list_files(folder):
                continue
            try:
                stat = (folder / file).stat()
            except OSError:  # removed by hand
                return None
            response = self._sender.file_response(folder / file, stat, scope)
            response.headers["Cache-Control"] = IMMUTABLE
            response.headers.add_vary_header("Accept-Encoding")
            if response.status_code == 200:
                response.headers["Content-Encoding"] = encoding
            return response
        return None


def accepted_encodings(header: str) -> list[str]:
    """Return those of ``ENCODINGS`` that an Accept-Encoding header names, the best first."""
    parts = [part.replace(" ", "").lower().partition(";") for part in header.split(",")]
    accepted = {name for name, _, weight in parts if weight.rstrip("0.") != "q="}
    return [encoding for encoding in ENCODINGS if encoding in accepted]


@lru_cache(maxsize=2)
def _list_files(folder: Path) -> frozenset[str]:
    """Return the files of a folder, which never change; no other name leads to a file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return frozenset(path.relative_to(folder).as_posix() for path in files)


if __name__ == "__main__":
    packed_dir()
