"""Many photos of one request: looked at as the command line's, answered as they are ready."""

import json
import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
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
from model.photo_files import map_ordered, open_photos
from model.settings import settings

from ..body_limits import BATCH_BYTES, limited_body
from ..dispatcher import dispatcher
from ..problems import Malformed, Stopping
from .params import FILE, BatchParams, body_of, fields_of, form_of, is_form, shown, with_fields

__all__ = ["BODY", "BatchResponse", "begin"]

SPOOL = 2**20
"""Bytes of a zip above which it lies on the disk."""

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": body_of(BatchParams, "photos", many=True)},
            "application/zip": {"schema": FILE},
        },
    }
}
"""The request's body, for OpenAPI."""


@dataclass(frozen=True, slots=True)
class Item:
    """A photo: the name to show, and its bytes, read when it is looked at."""

    name: str
    read: Callable[[], bytes]


class BatchResponse(StreamingResponse):
    """A batch under way: answers as they are ready, as lines or as one object."""

    def __init__(
        self,
        answers: Generator[dict[str, Any], None, None],
        held: AsyncExitStack,
        ended: threading.Event,
        *,
        lines: bool,
    ) -> None:
        self._answers, self._held, self._ended = answers, held, ended
        if lines:
            super().__init__(self._lines(), media_type="application/x-ndjson")
        else:
            super().__init__(self._object(), media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI; its files and its place are given back however it ends.

        Not at the end of the generators: whoever stops asking one leaves it as it is.
        """
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Photos that still wait leave the queue.
            self._ended.set()
            await run_in_threadpool(self._answers.close)
            await self._held.aclose()

    async def _lines(self) -> AsyncIterator[bytes]:
        async for answer in self._encoded():
            yield answer + b"\n"

    async def _object(self) -> AsyncIterator[bytes]:
        before = b'{"answers":['
        async for answer in self._encoded():
            yield before + answer
            before = b","
        yield b"]}"

    async def _encoded(self) -> AsyncIterator[bytes]:
        while (answer := await run_in_threadpool(next, self._answers, None)) is not None:
            yield json.dumps(answer, ensure_ascii=False).encode()


def _answers(
    classifier: Classifier, items: list[Item], top: int, ended: threading.Event
) -> Generator[dict[str, Any], None, None]:
    yield from map_ordered(partial(_answer, classifier, top, ended), items)


def _answer(classifier: Classifier, top: int, ended: threading.Event, item: Item) -> dict[str, Any]:
    try:
        if dispatcher().stopping:
            raise Stopping("The server stopped before this photo. Send it again.")
        identification = classifier.identify_detailed(
            item.read(), timeout=None, is_cancelled=ended.is_set
        )
        return identification.prediction.to_dict(item.name, top)
    except AdmissionCancelled:
        return {}
    except LoupeError as error:
        return {"photo": item.name, "error": {"code": error.code, "message": str(error)}}


async def begin(request: Request, asked: BatchParams) -> BatchResponse:
    """Receive the photos and begin.

    Raises:
        LoupeError: no photo, too many, too large, a zip that is refused, no such model,
            or busy.
    """
    async with AsyncExitStack() as stack:
        dispatcher().check_batch()
        body = await stack.enter_async_context(limited_body(request, BATCH_BYTES))
        if is_form(request):
            form = await stack.enter_async_context(form_of(body, settings().batch))
            items = [
                Item(shown(part.filename), partial(_read, part))
                for _, part in form.multi_items()
                if isinstance(part, UploadFile)
            ]
            asked = with_fields(asked, fields_of(form))
        else:
            items = await _zipped(body, stack)
        if not items:
            raise MissingPhoto("There is no file in the form. Send each photo as 'photos'.")
        await stack.enter_async_context(dispatcher().batch())
        classifier = await run_in_threadpool(load, asked.model)
        ended = threading.Event()
        answers = _answers(classifier, items, asked.top, ended)
        lines = "application/x-ndjson" in request.headers.get("accept", "")
        return BatchResponse(answers, stack.pop_all(), ended, lines=lines)


async def _zipped(body: Request, stack: AsyncExitStack) -> list[Item]:
    file = stack.enter_context(SpooledTemporaryFile(max_size=SPOOL))  # noqa: SIM115 - it does
    async for chunk in body.stream():
        file.write(chunk)
    if file.tell() == 0:
        raise Malformed("The body is empty. Send a form with photos, or a zip of them.")
    found = await run_in_threadpool(open_photos, cast(BinaryIO, file), settings().batch)
    return [Item(member.name, member.read) for member in found]


def _read(part: UploadFile) -> bytes:
    part.file.seek(0)
    return part.file.read()
