"""What a request holds: photos and parameters, raw or as a form."""

import unicodedata
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from model.bundle import Name
from model.errors import MissingPhoto

from ..body_limits import PHOTO_BYTES, limited_body
from ..problems import Malformed

__all__ = [
    "FILE",
    "BatchParams",
    "CorrectionParams",
    "IdentifyParams",
    "Upload",
    "body_of",
    "form_of",
    "photo_in",
    "shown",
    "with_fields",
]

FIELDS = 20
MAX_NAME = 200
MAX_LABEL_LENGTH = 200
"""As the records have it; importing them would load a database."""

UNREADABLE = "The form does not parse. Send it as a browser does."

FILE = {"type": "string", "format": "binary"}
"""Bytes, for OpenAPI."""

RAW = "-"
"""The name of a photo that came without one, as the command line calls standard input."""

Options = TypeVar("Options", bound=BaseModel)


Which = Annotated[Name | None, Field(description="The model; by default the server's.")]


class BatchParams(BaseModel):
    """Parameters of ``identify/batch``."""

    model_config = ConfigDict(extra="ignore")

    model: Which = None
    top: Annotated[int, Field(ge=1, le=1000, description="Labels to give.")] = 5


class IdentifyParams(BatchParams):
    """Parameters of ``identify``."""

    explain: Annotated[
        bool, Field(description="Say which parts of the photo the answer rests on (0.7 s more).")
    ] = False


class CorrectionParams(BaseModel):
    """Parameters of ``corrections``."""

    model_config = ConfigDict(extra="ignore")

    model: Which = None
    label: Annotated[
        str,
        Field(max_length=MAX_LABEL_LENGTH, description="What the photo shows; it must be given."),
    ] = ""
    keep: Annotated[
        bool, Field(description="The visitor agrees that the photo is kept, scaled down.")
    ] = False


@dataclass(frozen=True, slots=True)
class Upload:
    """A photo as it was sent, the name to show for it, and the form's other fields."""

    data: bytes
    name: str
    fields: Mapping[str, str]


@asynccontextmanager
async def photo_in(request: Request) -> AsyncIterator[Upload]:
    """The one photo of a request; its bytes count against the budget until the end.

    Raises:
        PhotoTooLarge, BodyTooSlow, Busy: see ``bounded``.
        MissingPhoto: a form without a photo.
        Malformed: a form that is none, or with two photos.
    """
    async with limited_body(request, PHOTO_BYTES) as body:
        if not is_form(request):
            yield Upload(await body.body(), RAW, {})
            return
        async with form_of(body, files=1) as form:
            files = [part for part in form.values() if isinstance(part, UploadFile)]
            if not files:
                raise MissingPhoto("There is no file in the form. Send the photo as 'photo'.")
            yield Upload(await files[0].read(), shown(files[0].filename), fields_of(form))


@asynccontextmanager
async def form_of(request: Request, files: int) -> AsyncIterator[FormData]:
    """The request's form with at most ``files`` files; large ones lie on the disk meanwhile.

    Raises:
        Malformed: it does not parse, or has more files or fields.
    """
    try:
        form = await request.form(max_files=files, max_fields=FIELDS, max_part_size=2**16)
    except HTTPException as error:
        raise Malformed(_why(str(error.detail), files)) from None
    except (KeyError, ValueError, AssertionError, LookupError, UnicodeError):
        # What the parser raises at headers made to confuse it.
        raise Malformed(UNREADABLE) from None
    try:
        yield form
    finally:
        await form.close()


def _why(said: str, files: int) -> str:
    """What is wrong with a form; the parser's words are for those who wrote it."""
    if said.startswith("Too many files"):
        one = "one photo" if files == 1 else f"{files:,} photos"
        return f"The form has more files than it may: send {one} at most."
    if said.startswith("Too many fields"):
        return f"The form has more than {FIELDS} fields."
    if said.startswith("Part exceeded"):
        return "A field of the form is too long. Send a photo as a file, with a file name."
    return UNREADABLE


def body_of(options: type[BaseModel], name: str, *, many: bool = False) -> dict[str, Any]:
    """A form with photos and parameters, for OpenAPI."""
    photo = {"type": "array", "items": FILE} if many else FILE
    fields = options.model_json_schema()["properties"]
    for field in fields.values():
        # Else the page fills in what it makes up from the pattern.
        field["example"] = "" if field["default"] is None else field["default"]
    return {
        "type": "object",
        "properties": {name: photo, **fields},
        "required": [name],
    }


def is_form(request: Request) -> bool:
    """Whether the body says that it is a form with files."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


def fields_of(form: FormData) -> dict[str, str]:
    """A form's fields that are no files."""
    return {name: part for name, part in form.items() if isinstance(part, str)}


def with_fields(options: Options, fields: Mapping[str, str]) -> Options:
    """Parameters from the address with those of the form, which win, put in.

    An empty field is one that was not filled in.

    Raises:
        pydantic.ValidationError: one is not usable.
    """
    known = type(options).model_fields
    own = {name: text for name, text in fields.items() if name in known and text}
    if not own:
        return options
    given: dict[str, Any] = options.model_dump(exclude_unset=True)
    return type(options).model_validate({**given, **own})


def shown(name: str | None) -> str:
    """A file's name as sent, fit to be shown: no path, nothing that is not seen."""
    # What a form cannot hold its sender writes so (WHATWG, multipart/form-data encoding).
    plain = (name or "").replace("%22", '"').replace("%0A", "").replace("%0D", "")
    last = plain.replace("\\", "/").rsplit("/", 1)[-1]
    seen = "".join(char for char in last if unicodedata.category(char) not in ("Cc", "Cf", "Cs"))
    return unicodedata.normalize("NFC", seen).strip()[-MAX_NAME:] or RAW
