"""``/owner/photos``: the owner's zips of photos to train on, and small copies of the photos."""

import math
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, cast, get_args

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from model.classifier import read_file
from model.errors import Busy, DataError, PhotoError
from model.photo import read
from model.storage.atomic import ABANDONED_SECONDS
from model.storage.disk import make_folder, require_space
from model.training.photo_sets import (
    Mode,
    find_photo,
    list_photo_sets,
    photos_folder,
    require_target,
    save_zip,
)
from model.training.unpacked_photos import MAX_SET_BYTES, SavedPhotos

from .body_limits import Body, check_length, limited_receive
from .problems import Invalid, problem

UPLOAD_PREFIX = ".upload-"
"""Prefix of the hidden names of zips that are being received."""

_upload_lock = threading.Lock()
"""Held during an upload, so that only one runs at a time."""


def photo_set_routes(require_owner: Callable[[Request], object]) -> list[BaseRoute]:
    """Return the routes; ``require_owner`` raises if the request is not the owner's."""

    async def save(request: Request) -> Response:
        await run_in_threadpool(require_owner, request)
        return await _save(request)

    def send(request: Request) -> Response:
        require_owner(request)
        return _send_photo(request)

    return [
        Route("/photos/{name:segment}", save, methods=["POST"]),
        Route("/photos/{name:segment}/{photo:path}", send),
    ]


async def _save(request: Request) -> Response:
    """Receive a zip into a file, and unpack it."""
    name, mode = request.path_params["name"], request.query_params.get("mode", "new")
    if mode not in get_args(Mode):
        raise Invalid("mode: Use new, add or replace.")
    check_length(request.headers, MAX_SET_BYTES)
    if not _upload_lock.acquire(blocking=False):
        raise Busy("Another upload is in progress. Try again when it is done.")
    try:
        path = await run_in_threadpool(_begin, name, cast(Mode, mode))
        try:
            with await run_in_threadpool(path.open, "xb") as file:
                await _receive(request, file)
            saved = await run_in_threadpool(_unpack, name, path, cast(Mode, mode))
        finally:
            await run_in_threadpool(path.unlink, missing_ok=True)
    finally:
        _upload_lock.release()
    result = asdict(saved)
    return JSONResponse({"name": name, "labels": result.pop("counts"), **result}, 201)


def _begin(name: str, mode: Mode) -> Path:
    """Check the target before any byte is read, and return a path for the zip."""
    try:
        require_target(name, mode)
    except DataError as error:
        raise Invalid(str(error)) from None
    make_folder(photos_folder())
    for abandoned in photos_folder().glob(f"{UPLOAD_PREFIX}*"):
        with suppress(OSError):
            if time.time() - abandoned.stat().st_mtime > ABANDONED_SECONDS:
                abandoned.unlink()
    return photos_folder() / f"{UPLOAD_PREFIX}{secrets.token_hex(6)}"


async def _receive(request: Request, file: BinaryIO) -> None:
    """Write a body to a file, without a limit on the total time.

    Raises:
        LoupeError: see ``limited_body``; or the disk has too little space.
    """
    # Only one chunk is in memory, so the bytes don't count against the memory budget.
    remaining = int(request.headers.get("content-length", "0"))
    receive = limited_receive(request.receive, Body(), MAX_SET_BYTES, math.inf, weight=0)
    await run_in_threadpool(require_space, photos_folder(), remaining)
    async for chunk in Request(request.scope, receive).stream():
        remaining = max(remaining - len(chunk), 0)
        await run_in_threadpool(_write, file, chunk, remaining)


def _write(file: BinaryIO, chunk: bytes, remaining: int) -> None:
    require_space(photos_folder(), len(chunk) + remaining)
    file.write(chunk)


def _unpack(name: str, path: Path, mode: Mode) -> SavedPhotos:
    # This thread opens the file, since it finishes even if the request is cancelled.
    with path.open("rb") as file:
        return save_zip(name, file, mode=mode)


def _send_photo(request: Request) -> Response:
    """Send a small copy of a photo."""
    photo_set = list_photo_sets().get(request.path_params["name"])
    path = find_photo(photo_set, request.path_params["photo"]) if photo_set else None
    if photo_set is None or path is None:
        return problem("not-found", "No such photo.")
    try:
        photo = read(read_file(path), resize=320).to_jpeg(side=320)
    except PhotoError:
        return problem("not-found", "This photo is damaged.")
    # Photos in the data folder are named by their content, so they can be cached.
    cache = "private, max-age=3600" if photo_set.is_own else "no-store"
    headers = {"Cache-Control": cache, "Cross-Origin-Resource-Policy": "same-origin"}
    return Response(photo, 200, headers, "image/jpeg")
