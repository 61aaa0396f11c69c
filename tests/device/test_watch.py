"""Live: one frame in flight, the newest wins, and it stops when told."""

import psutil
import pytest

from tests.device.site import Site, run_script

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


def test_one_frame_is_in_flight_until_it_is_told_to_stop(web: Site) -> None:
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


@pytest.mark.parametrize("moment", ["before", "paused"])
def test_watching_ends_when_aborted_without_a_frame(web: Site, moment: str) -> None:
    script = f"""
      {OPEN}
      const model = await load("/models/tiny/");
      const stop = new AbortController();
      if ("{moment}" === "before") stop.abort();
      else {{ video.pause(); setTimeout(() => stop.abort(), 300); }}
      return await model.watch(video, {{signal: stop.signal}}).next();
    """
    assert run_script(web, "chromium", script, arguments=CAMERA) == {"done": True}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_is_flat_over_2000_frames(web: Site) -> None:
    sizes = {}

    def weigh(frame: int) -> None:
        children = psutil.Process().children(recursive=True)
        sizes[frame] = sum(
            process.memory_info().rss
            for process in children
            if "renderer" in str(process.cmdline())
        )

    script = f"""
      {OPEN}
      const model = await load("/models/tiny/");
      let frames = 0;
      while (frames < 2000) {{
        await model.identify(video);
        if (++frames % 500 === 0) await note(frames);
      }}
      return frames;
    """
    web.on_note = weigh
    try:
        assert run_script(web, "chromium", script, arguments=CAMERA, patience=500) == 2000
    finally:
        web.on_note = None
    # Past the first 500, garbage collection alone moves it.
    assert max(sizes[1500], sizes[2000]) <= sizes[500] * 1.1 + 16 * 2**20, sizes
