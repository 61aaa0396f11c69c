"""``GET models``, ``GET models/NAME`` and the files of a model."""

from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from model import Bundle, list_models
from model.bundle import MANIFEST, Name, get_bundle, is_public, list_versions
from model.engines import available
from model.exporting.formats import find_downloads
from model.loading import default_model

from ..static_files import IMMUTABLE, ResumableFile, cached, revalidate
from .schemas import ModelList, ModelResponse, problem_responses

router = APIRouter(tags=["models"])

Version = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", description="The model's version.")]


@router.head("/models", include_in_schema=False)
@router.get("/models", response_model=ModelList, summary="List the models")
def models() -> JSONResponse:
    """Return the built-in models and the owner's; one with a broken `bundle.json` is left out."""
    bundles = [entry for entry in list_models().values() if isinstance(entry, Bundle)]
    default = default_model()
    summaries = [
        {
            "name": bundle.name,
            "title": bundle.manifest.title,
            "description": bundle.manifest.description,
            "version": bundle.version,
            "labels": len(bundle.labels),
            "engines": list(available(bundle)),
            "calibrated": bundle.manifest.is_calibrated,
            "default": bundle.name == default,
        }
        for bundle in bundles
    ]
    return JSONResponse({"models": summaries}, headers={"Cache-Control": "no-cache"})


@router.head("/models/{name:segment}", include_in_schema=False)
@router.get(
    "/models/{name:segment}",
    response_model=ModelResponse,
    responses=problem_responses(404, 422, 503),
    summary="Describe a model",
)
def model(request: Request, name: Name) -> Response:
    """Return labels, preprocessing, licence, data, measured figures and the URLs of files."""
    # By the whole body, which depends on engines and settings as well as on the version.
    return revalidate(request, JSONResponse(_describe(request, get_bundle(name))))


def _describe(request: Request, bundle: Bundle) -> dict[str, Any]:
    base = f"{request.scope.get('root_path', '')}/models/{bundle.name}/{bundle.version}"
    return {
        "version": bundle.version,
        "engines": list(available(bundle)),
        "default": bundle.name == default_model(),
        "files": {
            name: {
                "url": f"{base}/{name}" if is_public(bundle) else None,
                "bytes": file.bytes,
                "sha256": file.sha256,
            }
            for name in bundle.file_names
            for file in [bundle.manifest.files[name]]
        },
        "manifest": bundle.manifest.model_dump(mode="json", exclude={"files"}),
    }


@router.head("/models/{name:segment}/{version:segment}/{file:segment}", include_in_schema=False)
@router.get(
    "/models/{name:segment}/{version:segment}/{file:segment}",
    response_class=FileResponse,
    responses={
        200: {"content": {"application/octet-stream": {}}, "description": "The file"},
        304: {"description": "The client has this version of the file"},
        **problem_responses(404, 422, 503),
    },
    summary="Download a file of a model",
)
def file(request: Request, name: Name, version: Version, file: str) -> Response:
    """Send a file with its SHA-256 as ETag. A version's files never change: cache them forever.

    `NAME-FORMAT.zip` is an export that the owner has made, and may make again.
    """
    bundle = _get_version(name, version)
    caching = IMMUTABLE
    if file == MANIFEST:
        path, tag = bundle.folder / MANIFEST, bundle.version
    elif is_public(bundle) and file in bundle.file_names:
        # Verified again: a damaged file would be cached for a year under this hash.
        path, tag = bundle.verified_path(file), bundle.manifest.files[file].sha256
    elif is_public(bundle) and (export := _find_export(bundle, file)):
        path, caching, status = export, "no-cache", export.stat()
        tag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
    else:
        raise HTTPException(404)
    media_type = "application/json" if file.endswith(".json") else "application/octet-stream"
    return cached(request, ResumableFile(path, media_type=media_type), f'"{tag}"', caching)


def _find_export(bundle: Bundle, file: str) -> FilePath | None:
    exports = find_downloads(bundle).values()
    return next((path for path in exports if path.name == file), None)


def _get_version(name: str, version: str) -> Bundle:
    for entry in list_versions(name):
        # The version of a manifest that was edited in place is no longer its folder's name.
        if entry.version == version == getattr(entry.bundle, "version", None):
            assert isinstance(entry.bundle, Bundle)
            return entry.bundle
    raise HTTPException(404)
