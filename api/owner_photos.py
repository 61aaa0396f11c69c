"""``/owner/photos``: the owner's zips of photos to train on, and small copies of the photos."""

import math
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO, cast, get_args

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from model.classifier import read_file
from model.errors import Busy, DataError, PhotoError
from model.photo import read
from model.storage.disk import NEW_PREFIX, make_folder, require_space
from model.storage.labelled_photos import find_file
from model.training.photo_sets import (
    Mode,
    list_photo_sets,
    photos_folder,
    require_target,
    save_zip,
)
from model.training.unpacked_photos import MAX_SET_BYTES, SavedPhotos

from .body_limits import Body, check_length, limited_receive
from .problems import Invalid, problem

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
            await run_in_threadpool(shutil.rmtree, path.parent, ignore_errors=True)
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
    # After a kill, ``publish_folder`` removes it a day later.
    return Path(mkdtemp(prefix=NEW_PREFIX, dir=photos_folder()), "photos.zip")


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
    path = find_file(photo_set.folder, request.path_params["photo"]) if photo_set else None
    # Photos in the data folder are named by their content, so they can be cached.
    is_own = photo_set is not None and photo_set.is_own
    return send_small(path, "private, max-age=3600" if is_own else "no-store")


def send_small(path: Path | None, cache: str) -> Response:
    """Send a small copy of a photo to the owner; ``cache`` is the value of Cache-Control."""
    if path is None:
        return problem("not-found", "No such photo.")
    try:
        photo = read(read_file(path), resize=320).to_jpeg(side=320)
    except PhotoError:
        return problem("not-found", "This photo is damaged.")
    headers = {"Cache-Control": cache, "Cross-Origin-Resource-Policy": "same-origin"}
    return Response(photo, 200, headers, "image/jpeg")
