"""``/device/``: the page that runs models in the visitor's browser, and all that it loads.

Files of models and of the runtime that are missing are made when they are first asked for.
"""

import asyncio
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from model.browser.cache import RETRY_SECONDS, find_file, find_folder, folder_maker
from model.browser.device_files import (
    FOLDERS,
    FULL_FILE,
    Graph,
    device_dir,
    device_name,
    full_json,
    index_json,
    model_json,
    needs_runtime,
)
from model.browser.page_files import FILE_LIST, JAVASCRIPT, PAGE_DIR, PAGE_FILES, POLICY, list_kept
from model.browser.runtime import RUNTIME, runtime_dir, runtime_name
from model.bundle import get_bundle, is_public, list_public, read_samples
from model.errors import BundleError, BundleNotFound, EngineUnavailable
from model.loading import default_model
from model.settings import settings

from .middleware import guarded_app
from .problems import problem
from .static_files import ResumableFile, cached, revalidate

HASHED_FILE = re.compile(
    rf"(models/[a-z0-9][a-z0-9_-]{{0,63}}|{RUNTIME})/"
    r"(?P<hash>[0-9a-f]{16})\.(mjs|(network|onnx|golden|wasm)\.gz)"
)

HEADER = f"{POLICY}; frame-ancestors *"
"""Content-Security-Policy of the page, which any site may put into a frame, like the app.

A worker has the policy of its own file, so scripts carry it as well."""

WAIT_SECONDS = 0.5
"""Longest wait of a request for files that are being made, in seconds; pages ask again."""

OFF = "No model of this app runs on your device: its owner keeps the models on the server."
KEPT = "The owner of this app keeps their own models on the server. Built-in models run here."
NO_FILE = "No such file. The page is /device/."
BUSY = "The files for browsers are being made. Try again in a few seconds."
FAILED = (
    "This app can't run models on your device yet, because it couldn't make the files for that. "
    "Try again in a minute. The app's log says what is wrong."
)


def device_routes() -> list[BaseRoute]:
    """Return the routes below ``/device``."""
    routes = [
        Route("/", page_file),
        Route(f"/{FILE_LIST}", file_list),
        Route("/models/", models),
        # Its name on a static host.
        Route("/models/index.json", models),
        Route("/models/{name:segment}/model.json", model),
        Route(f"/models/{{name:segment}}/{FULL_FILE}", full_graph),
        Route("/models/{name:segment}/{file:segment}", hashed_file),
        Route(f"/{RUNTIME}/{{file:segment}}", hashed_file),
        Route("/models/{name:segment}/samples/{file:segment}", sample_file),
        Route("/{file:path}", page_file),
    ]
    return [Route("/device", redirect), Mount("/device", app=guarded_app(routes))]


async def redirect(request: Request) -> Response:
    """Redirect to the page; the address is relative, since a proxy may add a prefix."""
    query = f"?{request.url.query}" if request.url.query else ""
    return Response(status_code=307, headers={"Location": f"device/{query}"})


def page_file(request: Request) -> Response:
    """Send a file of the page; where models stay on the server, a sentence in place of the page."""
    name = request.path_params.get("file", "index.html")
    if name not in PAGE_FILES:
        return problem("not-found", NO_FILE)
    content = (PAGE_DIR / name).read_bytes()
    if name == "index.html" and not list_public():
        content = f'<!doctype html><html lang="en"><title>Loupe</title><p>{OFF}</p></html>'.encode()
    headers = {"Content-Security-Policy": HEADER}
    return revalidate(request, Response(content, 200, headers, PAGE_FILES[name]))


def file_list(request: Request) -> Response:
    """List the files that the service worker keeps."""
    return revalidate(request, JSONResponse(list_kept(PAGE_FILES)))


def models(request: Request) -> Response:
    """List the models that run on the device."""
    bundles = list_public()
    if not bundles:
        return problem("not-found", OFF)
    note = {} if settings().downloads else {"note": KEPT}
    return revalidate(request, JSONResponse(index_json(bundles, default_model()) | note))


async def model(request: Request) -> Response:
    """Send ``model.json``, once all that it names has been made."""
    return await _send_made(request, "small")


async def full_graph(request: Request) -> Response:
    """Send the entry of the full graph, once its files have been made."""
    return await _send_made(request, "full")


async def _send_made(request: Request, graph: Graph) -> Response:
    try:
        bundle = await run_in_threadpool(get_bundle, request.path_params["name"])
    except BundleNotFound:
        return problem("no-such-model", "No such model. /device/models/ lists them.")
    if not is_public(bundle):
        return problem("not-found", KEPT)
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        make = partial(device_dir, bundle, graph)
        if not await _make(device_name(bundle, graph), make, deadline):
            return problem("busy", BUSY)
        if graph == "full":
            entry = await run_in_threadpool(full_json, bundle)
            return revalidate(request, JSONResponse(entry))
        is_needed = await run_in_threadpool(needs_runtime, bundle)
        if is_needed and not await _make(runtime_name(), runtime_dir, deadline):
            return problem("busy", BUSY)
        info = await run_in_threadpool(model_json, bundle, "../../runtime/")
    except (EngineUnavailable, OSError):
        headers = {"Retry-After": f"{RETRY_SECONDS:.0f}"}
        return problem("engine-unavailable", FAILED, 503, **headers)
    return revalidate(request, JSONResponse(info))


async def _make(name: str, make: Callable[[], Path], deadline: float) -> bool:
    """Wait until a folder has been made; return False at the deadline, while it is still made.

    Args:
        name: the folder's name in the cache.
        deadline: end of the wait, by ``time.monotonic``.

    Raises:
        EngineUnavailable, OSError: it can't be made.
    """
    if await run_in_threadpool(find_folder, name):
        return True
    result = asyncio.wrap_future(folder_maker().request(name, make))
    # Retrieved, so that asyncio logs no failure after this request as never retrieved.
    result.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait({result}, timeout=deadline - time.monotonic())
    return result.done() and bool(result.result())


def sample_file(request: Request) -> Response:
    """Send a model's sample or its thumbnail, also where models stay on the server."""
    file = request.path_params["file"]
    try:
        samples = read_samples(get_bundle(request.path_params["name"]))
    except BundleError:
        samples = ()
    data = next((sample.files[file] for sample in samples if file in sample.files), None)
    if data is None:
        return problem("not-found", NO_FILE)
    return cached(request, Response(data, media_type="image/jpeg"), f'"{Path(file).stem}"')


def hashed_file(request: Request) -> Response:
    """Send a file of a model or of onnxruntime-web; its name contains a hash of its content.

    Files of all kept versions are sent: an open page may still load the previous one. With
    downloads off, only a public model's current version is: others may be the owner's.
    """
    name, file = request.path_params.get("name"), request.path_params["file"]
    match = HASHED_FILE.fullmatch(f"models/{name}/{file}" if name else f"{RUNTIME}/{file}")
    path = match and _find_public(name, file)
    if not match or not path:
        return problem("not-found", NO_FILE)
    media_type = JAVASCRIPT if file.endswith(".mjs") else "application/octet-stream"
    response = ResumableFile(path, 200, {"Content-Security-Policy": HEADER}, media_type)
    return cached(request, response, f'"{match["hash"]}"')


def _find_public(name: str | None, file: str) -> Path | None:
    if not name:
        return find_file(RUNTIME, file)
    if settings().downloads:
        found = (find_file(f"{folder}/{name}", file) for folder in FOLDERS.values())
        return next(filter(None, found), None)
    try:
        bundle = get_bundle(name)
    except BundleError:
        return None
    made = [find_folder(device_name(bundle, graph)) for graph in FOLDERS if is_public(bundle)]
    return next((one / file for one in made if one and (one / file).is_file()), None)
