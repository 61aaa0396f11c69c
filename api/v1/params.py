"""The content of a request: a photo and parameters, as raw bytes or as a form."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from model.answer.share_link import MAX_TOKEN_LENGTH
from model.bundle import Name
from model.corrections.store import MAX_LABEL_LENGTH, MAX_LABELS, WORDINGS
from model.engine_info import ServerEngine
from model.errors import MissingPhoto
from model.text import clean

from ..body_limits import PHOTO_BYTES, limited_body, read_body
from ..problems import Malformed

MAX_FIELDS = 20
"""Maximum number of fields in a form besides its files."""

MAX_FIELD_BYTES = 2**16
"""Longest field, in bytes."""

MAX_NAME_LENGTH = 200
"""Longest name of a photo in a response, in characters."""

NO_LABEL = "The label is missing. Send what the photo shows."

FORM_HELP = "Send multipart/form-data, and a photo as a file with a file name."

FILE_SCHEMA = {"type": "string", "format": "binary"}
"""A file's bytes, for OpenAPI."""

UNNAMED = "-"
"""Name of a photo that came without one, as the command line calls standard input."""

UndoKey = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{22,64}$", description="16 random bytes.")]

ModelName = Annotated[Name | None, Field(description="The model; by default the server's.")]


class Params(BaseModel):
    """Parameters of a route, from the query string and the form.

    Unknown ones are rejected: a typo would silently select the default model.
    """

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def from_known(cls, values: Mapping[str, Any]) -> Self:
        """Return parameters from ``values``; unknown names are ignored."""
        return cls.model_validate({k: v for k, v in values.items() if k in cls.model_fields})

    def with_fields(self, fields: Mapping[str, str]) -> Self:
        """Return these parameters, overridden by a form's fields.

        An empty field counts as one that was not filled in.

        Raises:
            pydantic.ValidationError: a field has an invalid name or value.
        """
        known = type(self).model_fields
        filled = {name: text for name, text in fields.items() if text or name not in known}
        if not filled:
            return self
        return type(self).model_validate({**self.model_dump(exclude_unset=True), **filled})


class BatchParams(Params):
    """Parameters of ``identify/batch``."""

    model: ModelName = None
    top: Annotated[int, Field(ge=1, le=1000, description="Number of labels to return.")] = 5


class IdentifyParams(BatchParams):
    """Parameters of ``identify``."""

    explain: Annotated[
        bool,
        Field(description="Return an occlusion map: how much each region matters (0.7 s more)."),
    ] = False
    pixels: Annotated[
        str | None,
        Field(
            max_length=64,
            description="Only with pixels in place of a photo: the version whose `recipe` made "
            "them, height × width × 3 bytes.",
        ),
    ] = None
    packed: Annotated[
        bool, Field(description="Whether the pixels are packed; see device/engine/preprocess.mjs.")
    ] = False
    engine: Annotated[
        ServerEngine | None, Field(description="For the app's own pages; ignored from others.")
    ] = None


def _clean_label(label: str) -> str:
    if not (cleaned := clean(label)):
        raise PydanticCustomError("empty_label", NO_LABEL)
    return cleaned


Label = Annotated[
    str,
    Field(max_length=MAX_LABEL_LENGTH, description="What the photo shows; required."),
    AfterValidator(_clean_label),
]


class CorrectionParams(Params):
    """Parameters of ``corrections``."""

    model: ModelName = None
    label: Label = ""
    keep: Annotated[
        bool, Field(description="Save a smaller copy of the photo; needs the visitor's consent.")
    ] = False


class PageCorrectionParams(Params):
    """Parameters of a page's correction; ``token`` is that of the answer's share link."""

    model: ModelName = None
    engine: ServerEngine | None = None
    token: Annotated[str, Field(max_length=MAX_TOKEN_LENGTH)] = ""
    label: Annotated[list[Label], Field(min_length=1, max_length=MAX_LABELS)]
    wording: Annotated[str, Field(pattern=f"^({'|'.join(WORDINGS)})$")] | None = None
    undo_key: UndoKey | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A photo as it was sent, the name to show for it, and the form's other fields.

    ``received`` is when it had arrived, in seconds of ``time.perf_counter``.
    """

    data: bytes
    name: str = UNNAMED
    fields: Mapping[str, str] = field(default_factory=dict)
    received: float = field(default_factory=time.perf_counter)


@asynccontextmanager
async def read_upload(request: Request) -> AsyncIterator[Upload]:
    """Read the one photo of a request; its bytes count against the memory budget until the end.

    Raises:
        PhotoTooLarge, BodyTooSlow, Busy: see ``limited_body``.
        MissingPhoto: the form has no photo.
        Malformed: the form can't be parsed, or has two photos.
    """
    async with limited_body(request, PHOTO_BYTES) as body:
        if not is_form(request):
            yield Upload(await read_body(body))
            return
        async with parse_form(body, max_files=1) as form:
            files = [part for part in form.values() if isinstance(part, UploadFile)]
            if not files:
                raise MissingPhoto("The form has no file. Send the photo as 'photo'.")
            name = display_name(files[0].filename)
            upload = Upload(await files[0].read(), name, text_fields(form))
        # The form's copy, a file that may be in memory, is gone.
        yield upload


@asynccontextmanager
async def parse_form(request: Request, max_files: int) -> AsyncIterator[FormData]:
    """Parse the request's form; large files are on disk until the block ends.

    Raises:
        Malformed: it can't be parsed, or has too many files or fields.
    """
    try:
        form = await request.form(
            max_files=max_files, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        )
    except HTTPException as error:
        raise Malformed(f"{error.detail} {FORM_HELP}") from None
    except (KeyError, ValueError, AssertionError, LookupError, UnicodeError):
        # The parser raises these for malformed headers.
        raise Malformed(f"The form couldn't be parsed. {FORM_HELP}") from None
    try:
        yield form
    finally:
        await form.close()


def form_schema(params: type[BaseModel], name: str, *, many: bool = False) -> dict[str, Any]:
    """Return the OpenAPI schema of a form with photos and parameters."""
    photo = {"type": "array", "items": FILE_SCHEMA} if many else FILE_SCHEMA
    fields = params.model_json_schema()["properties"]
    for schema in fields.values():
        # Otherwise the documentation page fills in a text generated from the pattern.
        schema["example"] = "" if schema["default"] is None else schema["default"]
    return {
        "type": "object",
        "properties": {name: photo, **fields},
        "required": [name],
        "additionalProperties": False,
    }


def is_form(request: Request) -> bool:
    """Return whether the body is declared as a form with files."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


def text_fields(form: FormData) -> dict[str, str]:
    """Return a form's fields that are not files."""
    return {name: part for name, part in form.items() if isinstance(part, str)}


def display_name(name: str | None) -> str:
    """Return a file's name to show, without a path or invisible characters."""
    # Senders escape quotes and line breaks (WHATWG, multipart/form-data encoding).
    unescaped = (name or "").replace("%22", '"').replace("%0A", "").replace("%0D", "")
    last = unescaped.replace("\\", "/").rsplit("/", 1)[-1]
    return clean(last, keep_spaces=True)[-MAX_NAME_LENGTH:] or UNNAMED
