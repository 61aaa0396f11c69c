"""Visits drawn at random, in Chromium, over fakes of camera, canvas, worker and network.

The component of the page is the real one; see ``promise/visits.mjs`` for what must always hold.
"""

import mimetypes
from collections.abc import Callable
from typing import Any

import pytest
from filelock import FileLock
from playwright.sync_api import Page, Route

from model import load
from model.answer.answer_json import words_to_json
from model.answer.phrases import device_words
from model.browser.device_files import LIMITS
from model.settings import ROOT
from tests.browser.drive import RED
from tests.javascript.__main__ import install
from tests.tools import require_tool

FOLDERS = {
    "device": ROOT / "device",
    "promise": ROOT / "tests" / "browser" / "promise",
    "fast-check": ROOT / "tests" / "javascript" / "node_modules" / "fast-check" / "lib",
    "pure-rand": ROOT / "tests" / "javascript" / "node_modules" / "pure-rand" / "lib" / "esm",
}
PAGE = """<!doctype html><meta name="viewport" content="width=device-width">
<style>body { margin: 0 }</style>
<script type="importmap">{"imports": {
  "fast-check": "/fast-check/fast-check.js", "pure-rand/": "/pure-rand/"
}}</script>"""
FAR, NEAR = "https://phone.test", "http://localhost"


@pytest.fixture
def draw(
    new_page: Callable[..., Page], tiny_bundle: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str | None]:
    """Return a function that draws visits, with some code replaced; it returns what broke."""
    npm = require_tool("npm")
    with FileLock(tmp_path_factory.getbasetemp().parent / "npm.lock"):
        assert install([npm]) == 0
    manifest = tiny_bundle.manifest
    prediction = load("tiny").identify(RED)
    words = device_words(manifest, None)
    recipe = manifest.recipe.model_dump(mode="json")
    about = {"version": tiny_bundle.version, "labels": list(tiny_bundle.labels), "recipe": recipe}
    info = {**about, "title": "One", "language": "en", "multilabel": False, "words": words}
    answer = {"prediction": prediction.to_dict("-", 5), **words_to_json(prediction, manifest, 5)}
    given = {
        "answer": answer,
        "described": {"manifest": {**info}, "version": tiny_bundle.version},
        "info": info,
        "limits": LIMITS,
    }

    def run(url: str, seconds: int, *changes: tuple[str, str, str], **options: Any) -> str | None:

        def serve(route: Route) -> None:
            path = route.request.url.removeprefix(url).partition("?")[0].lstrip("/")
            folder, _, rest = path.partition("/")
            if folder not in FOLDERS:
                return route.fulfill(body=PAGE, content_type="text/html")
            file = FOLDERS[folder] / (rest if "." in rest else f"{rest}.js")
            if not file.is_file():
                return route.fulfill(status=404)
            text = file.read_bytes()
            for name, old, new in changes:
                if rest == name:
                    assert text.count(old.encode()) == 1, old
                    text = text.replace(old.encode(), new.encode())
            kind = "text/javascript" if file.suffix in (".js", ".mjs") else None
            kind = kind or mimetypes.guess_type(file.name)[0]
            return route.fulfill(body=text, content_type=kind)

        page = new_page(viewport={"width": 390, "height": 844})
        page.route(f"{url}/**", serve)
        page.goto(f"{url}/")
        script = "async (given) => (await import('/promise/visits.mjs')).drawVisits(given)"
        values = {"isNear": url == NEAR, "seconds": seconds, "runs": 10_000, "seed": None}
        result = page.evaluate(script, {**given, **values, **options})
        assert result["visits"]
        broken: str | None = result["broken"]
        return broken

    return run


VISIT, OPEN, SERVER = "visit/visit.mjs", "visit/open_visit.mjs", "visit/server.mjs"
ADDRESS = "visit/address.mjs"
HOLES = {
    "the page is left": [
        (OPEN, "    this.permissions.end();\n", ""),
        (OPEN, '    this.send({ type: "left" });\n', ""),
    ],
    "another model": [("visit/outgoing.mjs", " && permission.model === model", "")],
    "a file": [
        ("visit/outgoing.mjs", "Boolean(cause && permission.isFileAllowed)", "Boolean(cause)")
    ],
    "no progress yet": [
        (SERVER, "request.upload.onloadstart = () => onSent?.(true);", ""),
        (SERVER, "hasProgressed ||= loaded > 0;", "if (loaded) onSent?.(true);"),
    ],
    "no memory": [
        (
            "view/viewfinder.mjs",
            'else this.#visit.send({ type: "missed", permission, message: NOT_TAKEN });',
            "",
        )
    ],
    "hidden for long": [("visit/permissions.mjs", "setTimeout(() => this.end(), AWAY_MS)", "0")],
    "another press": [
        (
            VISIT,
            "    if (permission !== state.press) return [state, []];\n    // Another model",
            "    // Another model",
        )
    ],
    "what was sent": [("view/ask.mjs", "const told = sent ?", "const told = false ?")],
    "the chart": [("streamlit.mjs", '? "" : "hidden"', '? "" : ""')],
    "Back": [(ADDRESS, "this.#follow(readAddress())", "null")],
    "an announced address": [(ADDRESS, "if (isSame(place, this.#seen)) return undefined;", "")],
    "the address": [(VISIT, ', { type: "settle" }]', "]")],
    "another page": [
        (ADDRESS, "this.#navigate();\n    else this.write(true);", "this.#navigate();")
    ],
}
"""Mistakes, by what they forget."""


@pytest.mark.quick
@pytest.mark.parametrize("url", [FAR, NEAR])
def test_nothing_leaves_beyond_what_was_said(draw: Callable[..., str | None], url: str) -> None:
    assert draw(url, 4) is None


@pytest.mark.parametrize("hole", HOLES)
def test_planted_mistake_is_detected(draw: Callable[..., str | None], hole: str) -> None:
    assert draw(NEAR if hole == "the page is left" else FAR, 180, *HOLES[hole]) is not None
