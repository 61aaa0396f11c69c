"""Batches: many photos in one request, with results sent as they are ready."""

import json
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from model import Classifier, LoupeError, load
from model.admission import AdmissionCancelled
from model.errors import MissingPhoto
from model.settings import settings
from model.storage.photo_files import PhotoFile, map_ordered, open_photos

from ..body_limits import BATCH_BYTES, limited_body
from ..dispatcher import dispatcher
from ..problems import Malformed, Stopping
from .params import (
    FILE_SCHEMA,
    BatchParams,
    display_name,
    form_schema,
    is_form,
    parse_form,
    text_fields,
)

SPOOL_BYTES = 2**20
"""Size above which a zip goes to disk, in bytes."""

BATCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": form_schema(BatchParams, "photos", many=True)},
            "application/zip": {"schema": FILE_SCHEMA},
        },
    }
}
"""The request body, for OpenAPI."""


class BatchResponse(StreamingResponse):
    """The results of a batch in the order of its photos, computed while they are read.

    Args:
        top: number of labels of each result.
        resources: the batch's files and its place, released at the end.
        as_lines: send one JSON object per line instead of one for all.
    """

    def __init__(
        self,
        classifier: Classifier,
        photos: Iterable[PhotoFile],
        top: int,
        resources: AsyncExitStack,
        *,
        as_lines: bool,
    ) -> None:
        self._classifier, self._top, self._resources = classifier, top, resources
        self._ended = threading.Event()
        self._results = map_ordered(self._identify, photos)
        media_type = "application/x-ndjson" if as_lines else "application/json"
        super().__init__(self._iter_body(as_lines=as_lines), media_type=media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI; however it ends, stop the batch and release its resources.

        The generator can't do this: it is abandoned when the client disconnects.
        """
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Photos that still wait leave the queue.
            self._ended.set()
            await run_in_threadpool(self._results.close)
            await self._resources.aclose()

    def _identify(self, photo: PhotoFile) -> dict[str, Any]:
        try:
            if dispatcher().stopping:
                raise Stopping("The server stopped before this photo. Send it again.")
            identification = self._classifier.identify_detailed(
                photo.read(), timeout=None, is_cancelled=self._ended.is_set
            )
            return identification.prediction.to_dict(photo.name, self._top)
        except AdmissionCancelled:
            # The client has disconnected, so this result is not sent.
            return {}
        except LoupeError as error:
            return {"photo": photo.name, "error": {"code": error.code, "message": str(error)}}

    async def _iter_body(self, *, as_lines: bool) -> AsyncIterator[bytes]:
        before, after, end = (b"", b"\n", b"") if as_lines else (b'{"answers":[', b"", b"]}")
        while (result := await run_in_threadpool(next, self._results, None)) is not None:
            yield before + json.dumps(result, ensure_ascii=False).encode() + after
            before = b"" if as_lines else b","
        # Freed before the response ends, so that the client's next batch isn't refused.
        await self._resources.aclose()
        yield end


async def start_batch(request: Request, params: BatchParams) -> BatchResponse:
    """Receive the photos of a batch and start it.

    Raises:
        LoupeError: no photo, too many, too large, a rejected zip, no such model, or busy.
    """
    async with AsyncExitStack() as stack:
        dispatcher().check_batch()
        body = await stack.enter_async_context(limited_body(request, BATCH_BYTES))
        if is_form(request):
            form = await stack.enter_async_context(parse_form(body, settings().batch))
            photos = [
                PhotoFile(display_name(part.filename), None, part.file.read)
                for _, part in form.multi_items()
                if isinstance(part, UploadFile)
            ]
            params = params.with_fields(text_fields(form))
        else:
            photos = await _read_zip(body, stack)
        if not photos:
            raise MissingPhoto("The form has no file. Send each photo as 'photos'.")
        # Only once the photos have arrived: a client that sends slowly holds no place.
        await stack.enter_async_context(dispatcher().batch())
        classifier = await run_in_threadpool(load, params.model)
        as_lines = "application/x-ndjson" in request.headers.get("accept", "")
        return BatchResponse(classifier, photos, params.top, stack.pop_all(), as_lines=as_lines)


async def _read_zip(body: Request, stack: AsyncExitStack) -> list[PhotoFile]:
    file = stack.enter_context(SpooledTemporaryFile(max_size=SPOOL_BYTES))  # noqa: SIM115
    async for chunk in body.stream():
        file.write(chunk)
    if file.tell() == 0:
        raise Malformed("The body is empty. Send a form with photos, or a zip of them.")
    return await run_in_threadpool(open_photos, cast(BinaryIO, file), settings().batch)
