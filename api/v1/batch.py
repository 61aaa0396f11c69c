"""Many photos of one request: looked at as the command line's, answered as they are ready."""

import json
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request

from model import Classifier, LoupeError, load
from model.archive import members
from model.errors import MissingPhoto
from model.folder import in_order
from model.settings import settings

from ..bodies import BATCH_BYTES, bounded
from ..line import line
from ..problems import Malformed, Stopping
from .inputs import Asked, fields_of, form_of, is_form, shown, with_fields

__all__ = ["BODY", "Job", "begin"]

SPOOL = 2**20
"""Bytes of a zip above which it lies on the disk."""

_FILE = {"type": "string", "format": "binary"}
_FORM = {
    "type": "object",
    "properties": {"photos": {"type": "array", "items": _FILE}},
    "required": ["photos"],
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _FORM},
            "application/zip": {"schema": _FILE},
        },
    }
}
"""The request's body, for OpenAPI."""


@dataclass(frozen=True, slots=True)
class Item:
    """A photo: the name to show, and its bytes, read when it is looked at."""

    name: str
    read: Callable[[], bytes]


class Job:
    """A batch under way; its files and its place are given back when the answers end."""

    def __init__(
        self, classifier: Classifier, items: list[Item], top: int, held: AsyncExitStack
    ) -> None:
        self._answers = _answers(classifier, items, top)
        self._held = held

    async def lines(self) -> AsyncIterator[bytes]:
        """One JSON object a line."""
        async for answer in self._encoded():
            yield answer + b"\n"

    async def object(self) -> AsyncIterator[bytes]:
        """One JSON object with all answers."""
        before = b'{"answers":['
        async for answer in self._encoded():
            yield before + answer
            before = b","
        yield b"]}"

    async def _encoded(self) -> AsyncIterator[bytes]:
        async with self._held:
            try:
                while (answer := await run_in_threadpool(next, self._answers, None)) is not None:
                    yield json.dumps(answer, ensure_ascii=False).encode()
            finally:
                # Also when the client goes away: what was not begun is not begun.
                await run_in_threadpool(self._answers.close)


def _answers(
    classifier: Classifier, items: list[Item], top: int
) -> Generator[dict[str, Any], None, None]:
    yield from in_order(partial(_answer, classifier, top), items)


def _answer(classifier: Classifier, top: int, item: Item) -> dict[str, Any]:
    try:
        if line().stopping:
            raise Stopping("The server stopped before this photo. Send it again.")
        return classifier.identify(item.read(), patient=True).to_dict(item.name, top)
    except LoupeError as error:
        return {"photo": item.name, "error": {"code": error.code, "message": str(error)}}


async def begin(request: Request, asked: Asked) -> Job:
    """Receive the photos and begin.

    Raises:
        LoupeError: no photo, too many, too large, a zip that is refused, no such model,
            or busy.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(line().batch())
        body = await stack.enter_async_context(bounded(request, BATCH_BYTES))
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
        classifier = await run_in_threadpool(load, asked.model)
        return Job(classifier, items, asked.top, stack.pop_all())


async def _zipped(body: Request, stack: AsyncExitStack) -> list[Item]:
    file = stack.enter_context(SpooledTemporaryFile(max_size=SPOOL))  # noqa: SIM115 - it does
    async for chunk in body.stream():
        file.write(chunk)
    if file.tell() == 0:
        raise Malformed("The body is empty. Send a form with photos, or a zip of them.")
    found = await run_in_threadpool(members, cast(BinaryIO, file), settings().batch)
    return [Item(member.name, member.read) for member in found]


def _read(part: UploadFile) -> bytes:
    part.file.seek(0)
    return part.file.read()
