"""``GET models``, ``GET models/NAME`` and the files of a model."""

import hashlib
import re
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from model import Bundle, list_models
from model.bundle import MANIFEST, Name, get_bundle, list_versions
from model.engines import available
from model.settings import settings

from .schemas import Model, Models, problems

__all__ = ["router"]

router = APIRouter(tags=["models"])

FOREVER = "public, max-age=31536000, immutable"
"""A version is the hash of its content: what is at such an address never changes."""


class Segment(StringConvertor):
    """One part of a path, never empty.

    Not Starlette's own: fastai imports python-fasthtml, which makes that one match nothing, too,
    for the whole process, so a route would depend on whether torch was loaded before it.
    """

    regex = "[^/]+"


register_url_convertor("segment", Segment())

RANGE = re.compile(r"([0-9]{0,15})-([0-9]{0,15})")
RANGES = 16
"""Of one request; with more it is sent whole."""

Version = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", description="The model's version.")]


@router.head("/models", include_in_schema=False)
@router.get("/models", response_model=Models, summary="The models that can be used here")
def models() -> JSONResponse:
    """Those that ship and the owner's own; one whose `bundle.json` cannot be read is left out."""
    found = [found for found in list_models().values() if isinstance(found, Bundle)]
    lines = [
        {
            "name": bundle.name,
            "title": bundle.manifest.title,
            "description": bundle.manifest.description,
            "version": bundle.version,
            "labels": len(bundle.labels),
            "engines": list(available(bundle)),
            "calibrated": bundle.manifest.calibration is not None,
            "default": bundle.name == settings().model,
        }
        for bundle in found
    ]
    return JSONResponse({"models": lines}, headers={"Cache-Control": "no-cache"})


@router.head("/models/{name:segment}", include_in_schema=False)
@router.get(
    "/models/{name:segment}",
    response_model=Model,
    responses=problems(404, 422, 503),
    summary="All that a model says of itself",
)
def model(request: Request, name: Name) -> Response:
    """Labels, recipe, licence, data, figures, and where its files are."""
    answer = JSONResponse(
        _described(request, get_bundle(name)), headers={"Cache-Control": "no-cache"}
    )
    # Of all that is said: engines and settings change it, too, not only the version.
    tag = f'"{hashlib.sha256(bytes(answer.body)).hexdigest()[:32]}"'
    answer.headers["ETag"] = tag
    if _has(request, tag):
        return Response(status_code=304, headers={"Cache-Control": "no-cache", "ETag": tag})
    return answer


def _described(request: Request, bundle: Bundle) -> dict[str, Any]:
    base = f"{request.scope.get('root_path', '')}/models/{bundle.name}/{bundle.version}"
    return {
        "version": bundle.version,
        "engines": list(available(bundle)),
        "default": bundle.name == settings().model,
        "files": {
            name: {
                "url": f"{base}/{name}" if settings().downloads else None,
                "bytes": file.bytes,
                "sha256": file.sha256,
            }
            for name, file in bundle.manifest.files.items()
        },
        "manifest": bundle.manifest.model_dump(mode="json", exclude={"files"}),
    }


@router.head("/models/{name:segment}/{version:segment}/{file:segment}", include_in_schema=False)
@router.get(
    "/models/{name:segment}/{version:segment}/{file:segment}",
    response_class=FileResponse,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The file"},
        206: {"description": "A part of it, where a range was asked for"},
        304: {"description": "It is as the ETag in If-None-Match says"},
        **problems(404, 416, 422, 503),
    },
    summary="A file of a model",
)
def file(request: Request, name: Name, version: Version, file: str) -> Response:
    """Its ETag is its SHA-256. A version's files never change, so they may be kept for ever."""
    bundle = _version(name, version)
    if file == MANIFEST:
        path, tag = bundle.folder / MANIFEST, f'"{bundle.version}"'
    elif settings().downloads and file in bundle.manifest.files:
        # Not one that was damaged since: others would keep it for a year under this hash.
        path, tag = bundle.verified_path(file), f'"{bundle.manifest.files[file].sha256}"'
    else:
        raise HTTPException(404)
    headers = {"Cache-Control": FOREVER, "ETag": tag, "X-Content-Type-Options": "nosniff"}
    if _has(request, tag):
        return Response(status_code=304, headers=headers)
    _check_range(request, path.stat().st_size)
    kind = "application/json" if file.endswith(".json") else "application/octet-stream"
    return FileResponse(path, headers=headers, media_type=kind)


def _check_range(request: Request, size: int) -> None:
    """Leave out a range that says nothing; refuse one that is not there (RFC 9110, 14.2)."""
    said = request.headers.get("range", "")
    parts = [RANGE.fullmatch(part.strip()) for part in said.removeprefix("bytes=").split(",")]
    spans = [(part[1], part[2]) for part in parts if part and (part[1] or part[2])]
    read = said.startswith("bytes=") and len(spans) == len(parts) <= RANGES
    if not read or any(first and last and int(last) < int(first) for first, last in spans):
        kept = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
        request.scope["headers"] = kept
    elif not any(int(first) < size if first else int(last) for first, last in spans):
        raise HTTPException(416, headers={"Content-Range": f"bytes */{size}"})


def _version(name: str, version: str) -> Bundle:
    for one in list_versions(name):
        # A manifest that was edited in place is of another version than its folder says.
        if one.version == version == getattr(one.bundle, "version", None):
            assert isinstance(one.bundle, Bundle)
            return one.bundle
    raise HTTPException(404)


def _has(request: Request, tag: str) -> bool:
    """Whether the client says that it has what the tag names (RFC 9110, weak comparison)."""
    sent = request.headers.get("if-none-match", "")
    wanted = tag.removeprefix("W/")
    return sent.strip() == "*" or wanted in (
        one.strip().removeprefix("W/") for one in sent.split(",")
    )
