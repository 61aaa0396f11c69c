"""Below ``/owner``: zips of photos to train on, small copies of photos, and corrections."""

import math
import re
import shutil
import threading
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO, cast, get_args

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from model.classifier import read_file
from model.corrections import correction_store, export_corrections
from model.errors import Busy, DataError, PhotoError
from model.evaluation.held_out import held_out_folder
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

PRIVATE = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"}
"""Headers of responses that only the owner may read."""

_upload_lock = threading.Lock()
"""Held during an upload, so that only one runs at a time."""


async def save_photos(request: Request) -> Response:
    """Receive a zip into a file, and unpack it into a photo set."""
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


def send_photo(request: Request) -> Response:
    """Send a small copy of a photo of a set."""
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
    return Response(photo, 200, PRIVATE | {"Cache-Control": cache}, "image/jpeg")


def correction_photo(request: Request) -> Response:
    """Send the photo of a correction to the owner."""
    number = re.fullmatch(r"([0-9]{1,9})\.jpg", request.path_params["file"])
    photo = correction_store().get_photo(int(number[1])) if number else None
    if photo is None:
        return problem("not-found", "This correction has no photo.")
    return Response(photo, 200, PRIVATE, "image/jpeg")


def corrections_zip(_: Request) -> Response:
    """Send all corrections and their photos to the owner."""
    folder = Path(mkdtemp(prefix="loupe-corrections-"))
    file = folder / "corrections.zip"
    try:
        export_corrections(correction_store(), file)
    except DataError:
        shutil.rmtree(folder)
        raise
    task = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(file, filename=file.name, headers=PRIVATE, background=task)


def held_out_photo(request: Request) -> Response:
    """Send a small copy of one of a model's held-out photos to the owner."""
    name = "/".join(request.path_params[part] for part in ("model", "label", "file"))
    return send_small(find_file(held_out_folder(""), name), PRIVATE["Cache-Control"])
