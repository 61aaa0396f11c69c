"""``/api/session/``: tokens for the app's own pages, and the routes that earlier pages call.

Visitors may still have earlier pages open. Their routes run operations of ``/api/v1`` with the
page's session token, and will be removed in the next release.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route

from model.corrections.page_sessions import page_sessions
from model.engine_info import ServerEngine

from .middleware import guarded_app
from .page_turns import HEADER, lane_of, page_token, page_turn
from .problems import NoSession
from .sites import CsrfMiddleware
from .v1.corrections import correct_answer
from .v1.identify import identify_photo, identify_request
from .v1.params import BatchParams, IdentifyParams, Upload


class PhotoParams(BatchParams):
    """Parameters of ``photo`` and ``explanation``."""

    engine: ServerEngine | None = None


class PixelParams(PhotoParams):
    """Parameters of ``pixels`` and ``pixels/explanation``."""

    version: Annotated[str, Field(max_length=64)]
    packed: bool = False


def session_routes() -> list[BaseRoute]:
    """Return the routes below ``/api/session``."""
    routes = [
        Route("/", issue, methods=["POST"]),
        _photo_route("/photo", PhotoParams, _answer),
        _photo_route("/pixels", PixelParams, _answer),
        _photo_route("/explanation", PhotoParams, _explain),
        _photo_route("/pixels/explanation", PixelParams, _explain),
        Route("/correction", correction, methods=["POST"]),
    ]
    return [Mount("/api/session", app=guarded_app(routes, Middleware(CsrfMiddleware)))]


async def issue(_: Request) -> JSONResponse:
    """Issue a token to a page whose Streamlit session has not started yet or has ended."""
    return JSONResponse({"token": page_sessions.issue_token()}, 201, {"Cache-Control": "no-store"})


async def correction(request: Request) -> JSONResponse:
    """Save a correction, as ``POST corrections`` does for a page."""
    return JSONResponse({"number": await correct_answer(request, _token(request))}, 201)


def _token(request: Request) -> str:
    token = page_token(request)
    if token is None:
        raise NoSession(f"This page's session has ended: {HEADER} is missing. Reload the page.")
    return token


def _photo_route(
    path: str, kind: type[PhotoParams], respond: Callable[[Upload, IdentifyParams], Any]
) -> Route:
    """Return a route that takes a photo, or the pixels that the browser has made of one."""

    async def identify(request: Request) -> JSONResponse:
        token = _token(request)
        values = kind.model_validate(dict(request.query_params)).model_dump()
        pixels = values.pop("version", None)
        params = IdentifyParams(**values, pixels=pixels, explain=respond is _explain)
        return await identify_request(request, params, respond, lane_of(token), page_turn(token))

    return Route(path, identify, methods=["POST"])


def _answer(upload: Upload, params: IdentifyParams) -> dict[str, Any]:
    answer = identify_photo(upload, params, is_page=True)
    words = answer.pop("words")
    return {"prediction": answer, **words}


def _explain(upload: Upload, params: IdentifyParams) -> dict[str, Any]:
    found = identify_photo(upload, params, is_page=True)["explanation"]
    rows: list[list[float]] = found["heat"]
    heat = [value for row in rows for value in row]
    return {"label": found["label"], "rows": len(rows), "columns": len(rows[0]), "heat": heat}
