"""Live: one frame in flight, the newest first, until the signal is aborted."""

from itertools import pairwise
from pathlib import Path
from statistics import mean, median

import psutil
import pytest

from tests.device.site import BROWSERS, Site, run_script
from tests.model.tiny import tiny

pytestmark = pytest.mark.browser

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")

OPEN = """
  const { load } = await import("/device/loupe.mjs");
  const video = Object.assign(document.createElement("video"), {muted: true});
  document.body.append(video);
  video.srcObject = await navigator.mediaDevices.getUserMedia({video: true});
  await video.play();
"""

COUNT = """
  const posted = {flying: 0, most: 0, all: 0};
  const plain = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...rest) {
    if (message.name === "identify") {
      posted.all += 1;
      posted.most = Math.max(posted.most, ++posted.flying);
      this.addEventListener("message", () => { posted.flying -= 1; }, {once: true});
    }
    return plain.call(this, message, ...rest);
  };
"""
"""Count the frames that are with the worker."""

LIVE = """
  const { load } = await import("/device/loupe.mjs");
  const canvas = Object.assign(document.createElement("canvas"), {width: 640, height: 480});
  const context = canvas.getContext("2d");
  let painted = 0;
  const paint = () => {
    context.fillStyle = `hsl(${painted++} 100% 50%)`;
    context.fillRect(0, 0, 640, 480);
    requestAnimationFrame(paint);
  };
  paint();
  const video = Object.assign(document.createElement("video"), {muted: true});
  video.srcObject = canvas.captureStream();
  await video.play();
  const model = await load("/models/wide/");
  let frames = 0;
  for await (const _ of model.watch(video, {maxPerSecond: 1000})) {
    if (++frames % 250 === 0) await note(frames);
    if (frames === 1000) return frames;
  }
"""
"""Identify frames of a video that is drawn."""

PAUSE = """
  video.pause();
  // A frame that is decoded already may still be shown.
  for (let shown = true; shown;) {
    shown = await Promise.race([
      new Promise((resolve) => video.requestVideoFrameCallback(() => resolve(true))),
      new Promise((resolve) => setTimeout(() => resolve(false), 300)),
    ]);
  }
"""
"""Pause a video, and wait until nothing new is shown."""


@pytest.mark.slow
def test_one_frame_is_in_flight_until_watching_stops(web: Site) -> None:
    script = f"""
      {OPEN} {COUNT}
      const model = await load("/models/tiny/");
      const stop = new AbortController();
      const seen = [];
      const options = {{maxPerSecond: 30, signal: stop.signal}};
      for await (const {{answer}} of model.watch(video, options)) {{
        seen.push(answer);
        // A slow reader: frames meanwhile are left out, not queued.
        await new Promise((resolve) => setTimeout(resolve, 150));
        if (seen.length === 6) stop.abort();
      }}
      await new Promise((resolve) => setTimeout(resolve, 300));
      return {{seen: seen.length, ...posted}};
    """
    result = run_script(web, "chromium", script, arguments=CAMERA)
    assert result == {"seen": 6, "all": 6, "most": 1, "flying": 0}


@pytest.mark.parametrize("moment", ["before", pytest.param("paused", marks=pytest.mark.slow)])
def test_watching_ends_when_aborted_without_a_frame(web: Site, moment: str) -> None:
    script = f"""
      {OPEN}
      const model = await load("/models/tiny/");
      const stop = new AbortController();
      {"stop.abort();" if moment == "before" else PAUSE}
      setTimeout(() => stop.abort(), 300);
      return await model.watch(video, {{signal: stop.signal}}).next();
    """
    assert run_script(web, "chromium", script, arguments=CAMERA) == {"done": True}


def test_frame_that_the_worker_does_not_get_is_closed(web: Site) -> None:
    script = f"""
      {OPEN}
      const frames = [];
      globalThis.VideoFrame = class extends VideoFrame {{
        constructor(...values) {{
          super(...values);
          frames.push(this);
        }}
      }};
      const model = await load("/models/tiny/");
      const regions = {{
        throws: () => {{ throw new RangeError("no region"); }},
        cannotBeSent: () => ({{x: () => 0}}),
        ends: () => model.close(),
      }};
      const names = {{}};
      for (const [name, region] of Object.entries(regions)) {{
        names[name] = (await refusal(model.watch(video, {{region}}).next())).name;
      }}
      return {{...names, open: frames.filter(({{ format }}) => format !== null).length}};
    """
    assert run_script(web, "chromium", script, arguments=CAMERA) == {
        "throws": "RangeError",
        "cannotBeSent": "DataCloneError",
        "ends": "LoupeError",
        "open": 0,
    }


def test_worker_without_a_model_closes_pictures(web: Site) -> None:
    script = """
      const results = [];
      globalThis.postMessage = (message) => results.push(message.error.code);
      await import("/device/engine/worker.mjs");
      const source = await createImageBitmap(new ImageData(8, 8));
      await onmessage({data: {number: 1, name: "identify", values: {source, top: 1}}});
      return [...results, source.width];
    """
    assert run_script(web, "chromium", script) == ["engine-unavailable", 0]


@pytest.mark.slow
@pytest.mark.parametrize("browser", BROWSERS)
def test_memory_is_flat_over_1000_frames(web: Site, browser: str, tmp_path: Path) -> None:
    # As tall as the frames, so that a leak of tensors shows.
    web.add_model(tiny(tmp_path, "wide", side=(480, 480)))
    megabytes = {}

    def weigh(frame: int) -> None:
        family = psutil.Process().children(recursive=True)
        megabytes[frame] = sum(process.memory_full_info().pss for process in family) / 2**20

    web.on_note = weigh
    try:
        assert run_script(web, browser, LIVE, patience=500) == 1000
    finally:
        web.on_note = None
    # A leak would add 170 MB in 250 frames, or 300 MB if it were of pictures. Heaps also grow and
    # shrink in single steps of 100 MB, which the median ignores, and rise slowly until they are
    # collected, which the mean does.
    growth = [after - before for before, after in pairwise(megabytes.values())]
    assert min(median(growth), mean(growth)) < 80, megabytes
