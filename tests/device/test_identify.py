"""Photos in the browser: the command line's answers, every kind of source, and refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from model import Classifier
from model.errors import PhotoError
from model.photo import MAX_BYTES, MAX_PIXELS, read
from model.photo.formats import MIN_SIDE_PX
from model.samples import samples
from tests.device.site import NO_KERNELS, SLOW_FIREFOX, Site, run_script, site
from tests.model.tiny import colour
from tests.photos import drawn, encoded

pytestmark = pytest.mark.browser

SOURCES = """
  const { load } = await import("/device/loupe.mjs");
  const model = await load("/models/tiny/");
  const blob = new Blob([await fetchBytes("/red.png")]);
  const bitmap = await createImageBitmap(blob);
  const paint = (canvas) => { canvas.getContext("2d").drawImage(bitmap, 0, 0); return canvas; };
  const canvas = Object.assign(document.createElement("canvas"), {width: 64, height: 64});
  const video = Object.assign(document.createElement("video"), {muted: true});
  video.srcObject = paint(canvas).captureStream(30);
  const painting = setInterval(() => paint(canvas), 30);
  await video.play();
  const sources = {blob, bitmap, canvas, offscreen: paint(new OffscreenCanvas(64, 64)), video};
  const answers = {};
  for (const [name, source] of Object.entries(sources)) {
    answers[name] = (await model.identify(source)).answer;
    // It still belongs to the caller.
    answers[name + " again"] = (await model.identify(source)).answer;
  }
  clearInterval(painting);
  const many = await Promise.all(Array.from({length: 6}, () => model.identify(blob, {top: 2})));
  const full = await load("/models/tiny/", {graph: "full"});
  const both = [await full.identify(blob), await model.identify(blob)];
  answers.graphs = both.map(({answer, graph}) => [answer, graph]);
  answers.many = [...new Set(many.map((prediction) => JSON.stringify(prediction.candidates)))];
  return answers;
"""

REFUSED = """
  const { load, LoupeError } = await import("/device/loupe.mjs");
  const model = await load("/models/tiny/");
  const file = async (name) => new Blob([await fetchBytes("/" + name)]);
  const codes = {};
  for (const name of ["cut.png", "half.jpg", "text", "small.png", "huge.png"]) {
    codes[name] = await refusal(model.identify(await file(name)));
  }
  codes.empty = await refusal(model.identify(new Blob([])));
  codes.large = await refusal(model.identify(new Blob([new Uint8Array(%d)])));
  codes.nothing = await refusal(model.identify(null));
  codes.text_argument = await refusal(model.identify("cat.jpg"));
  codes.top = await refusal(model.identify(await file("red.png"), {top: 0}));
  codes.graph = await refusal(load("/models/tiny/", {graph: "huge"}));
  codes.video = await refusal(model.identify(document.createElement("video")));
  codes.canvas = await refusal(
    model.identify(Object.assign(document.createElement("canvas"), {width: 0})));
  codes.watched = await refusal(model.watch(document.body).next());
  codes.after = (await model.identify(await file("red.png"))).answer;
  model.close();
  codes.closed = await refusal(model.identify(await file("red.png")));
  return codes;
"""

IDENTIFY = """
  const { load } = await import("/device/loupe.mjs");
  const model = await load("/models/%s/", {graph: "full"});
  const predictions = [];
  for (const name of await (await fetch("/names.json")).json()) {
    const photo = new Blob([await fetchBytes(`/photos/${encodeURIComponent(name)}`)]);
    predictions.push(await model.identify(photo, {top: 10000}));
  }
  return predictions;
"""
"""Identify the photos that ``/names.json`` lists, with all labels."""


def by_label(prediction: Any) -> dict[str, list[float]]:
    """Return the probabilities by label; two labels of the model may have the same name."""
    values: dict[str, list[float]] = {}
    for candidate in prediction["candidates"]:
        values.setdefault(candidate["label"], []).append(candidate["probability"])
    return values


@pytest.mark.parametrize("browser", SLOW_FIREFOX)
def test_samples_have_the_command_lines_probabilities(
    web: Site, browser: str, imagenet: Classifier
) -> None:
    files = {Path(sample.path).name: sample.path for sample in samples()}
    served: dict[str, bytes | None] = {"/names.json": json.dumps(list(files)).encode()}
    served |= {f"/photos/{name}": Path(path).read_bytes() for name, path in files.items()}
    with web.changed(served):
        predictions = run_script(web, browser, IDENTIFY % "imagenet")
    for path, prediction in zip(files.values(), predictions, strict=True):
        expected = imagenet.identify(path).to_dict("", top=10000)
        assert prediction["answer"] == expected["answer"]
        assert prediction["version"] == expected["version"]
        assert by_label(prediction) == {
            label: pytest.approx(values, abs=1e-4) for label, values in by_label(expected).items()
        }


def test_runtime_replaces_kernels_that_are_missing(web: Site, imagenet: Classifier) -> None:
    script = """
      const { load } = await import("/device/loupe.mjs");
      const model = await load("/models/imagenet/");
      const blob = new Blob([await fetchBytes("/photo")]);
      return [model.info.isPacked, await model.identify(blob, {top: 1})];
    """
    photo, path = samples()[0], "/models/imagenet/model.json"
    info = {**json.loads(web.read(path) or b""), "runtime": None}
    with web.changed({"/photo": photo.read(), **NO_KERNELS}):
        is_packed, prediction = run_script(web, "chromium", script)
        assert not is_packed
        assert prediction["answer"] == imagenet.identify(photo.open()).to_dict("", top=1)["answer"]
        with web.changed({path: json.dumps(info).encode()}):
            refused = run_script(web, "chromium", f"return refusal((async () => {{{script}}})());")
    assert refused["message"].startswith("kernels.wasm can’t be fetched")


@pytest.mark.parametrize("browser", SLOW_FIREFOX)
def test_every_kind_of_source_is_identified(web: Site, browser: str) -> None:
    with web.changed({"/red.png": encoded(colour("red"), "PNG")}):
        answers = run_script(web, browser, SOURCES)
    assert len(answers.pop("many")) == 1
    assert answers.pop("graphs") == [["red", "full"], ["red", "small"]]
    assert len(answers) == 10
    assert set(answers.values()) == {"red"}


def test_nothing_is_loaded_after_an_abort(web: Site) -> None:
    script = """
      const { load } = await import("/device/loupe.mjs");
      const { Identifier } = await import("/device/visit/identifier.mjs");
      let workers = 0;
      globalThis.Worker = class extends Worker {
        constructor(...values) {
          super(...values);
          workers += 1;
        }
      };
      const before = await refusal(load("/models/tiny/", {signal: AbortSignal.abort()}));
      const identifier = new Identifier({address: "/models/tiny/"});
      identifier.close();
      identifier.start();
      const closed = workers;
      const stop = new AbortController();
      const loading = refusal(load("/models/tiny/", {signal: stop.signal}));
      stop.abort();
      return {before: before.name, closed, during: (await loading).name, workers};
    """
    assert run_script(web, "chromium", script) == {
        "before": "AbortError",
        "closed": 0,
        "during": "AbortError",
        "workers": 1,
    }


@pytest.mark.parametrize("browser", SLOW_FIREFOX)
def test_refusals_have_the_servers_codes(web: Site, browser: str) -> None:
    noisy = encoded(drawn(300, 200), "PNG")
    files: dict[str, bytes | None] = {
        "/red.png": encoded(colour("red"), "PNG"),
        "/cut.png": noisy[:60],
        "/half.jpg": encoded(drawn(300, 200))[:9000],
        "/text": b"no photo at all, but words" * 9,
        "/small.png": encoded(drawn(300, MIN_SIDE_PX - 1), "PNG"),
        "/huge.png": encoded(Image.new("1", (8000, MAX_PIXELS // 8000 + 1)), "PNG"),
    }
    with web.changed(files):
        refusals = run_script(web, browser, REFUSED % (MAX_BYTES + 1))
    assert refusals.pop("after") == "red"
    for path in set(files) - {"/red.png"}:
        with pytest.raises(PhotoError) as refused:
            read(files[path] or b"")
        assert refusals[path[1:]]["code"] == refused.value.code, path
    assert {refusal["name"] for refusal in refusals.values()} == {"LoupeError"}
    assert {name: refusal["code"] for name, refusal in refusals.items()} == {
        "cut.png": "damaged",
        "half.jpg": "damaged",
        "text": "unsupported-format",
        "small.png": "too-small",
        "huge.png": "too-many-pixels",
        "empty": "empty",
        "large": "too-large",
        "nothing": "invalid",
        "text_argument": "invalid",
        "top": "invalid",
        "graph": "no-such-model",
        "video": "empty",
        "canvas": "damaged",
        "watched": "invalid",
        "closed": "engine-unavailable",
    }


def test_model_of_another_origin_needs_its_permission(web: Site) -> None:
    script = """
      const { load } = await import("/device/loupe.mjs");
      return await refusal(load("OTHER/models/tiny/"));
    """
    with site() as other:
        other.folders |= web.folders
        other.files |= web.files
        script = script.replace("OTHER", other.url)
        assert run_script(web, "chromium", script)["code"] == "unreachable"
        other.headers["Access-Control-Allow-Origin"] = "*"
        other.headers["Cache-Control"] = "no-store"
        assert run_script(web, "chromium", script) is None
