"""``device/engine/occlusion.mjs`` against ``model.explanation``: the same blur, the same map."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from api.v1.identify import PAGE_MAP_CELLS
from model import Classifier
from model.explanation import mean_cells, occlusion_map
from model.samples import samples
from tests.device.node import run_node
from tests.device.site import Site, run_script
from tests.photos import drawn, encoded

TOLERANCE = 1e-3
"""Largest difference of a cell, 0 to 1; measured: 4e-6."""

SIZES = [(224, 224), (32, 32), (16, 48), (240, 180), (7, 5), (300, 299)]


def test_blur_gives_pillows_bytes(tmp_path: Path) -> None:
    jobs, expected = [], []
    for number, (height, width) in enumerate(SIZES):
        rng = np.random.default_rng(number)
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for radius in (height / 10, 1.0, 2.5):
            blurred = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius))
            expected.append(np.asarray(blurred).ravel().tolist())
            jobs.append([pixels.ravel().tolist(), height, width, radius])
    script = """
      const { gaussianBlur } = await load("engine/occlusion.mjs");
      return given.map(([pixels, ...rest]) =>
        Array.from(gaussianBlur(Uint8Array.from(pixels), ...rest)));
    """
    for job, blurred, reference in zip(jobs, run_node(script, jobs), expected, strict=True):
        assert np.array_equal(blurred, reference), job[1:]


def explained(web: Site, model: str, photo: bytes, seconds: float) -> Any:
    script = f"""
      const {{ load }} = await import("/device/loupe.mjs");
      const model = await load("/models/{model}/", {{graph: "full"}});
      const photo = new Blob([await fetchBytes("/photo")]);
      const {{ rows, columns, heat }} = await model.explain(photo, {{seconds: {seconds}}});
      return {{ rows, columns, heat: Array.from(heat) }};
    """
    with web.changed({"/photo": photo}):
        return run_script(web, "chromium", script)


def expected(classifier: Classifier, photo: bytes, seconds: float) -> Any:
    identification = classifier.identify_detailed(photo)
    label = identification.prediction.top(1)[0].index
    return mean_cells(
        occlusion_map(classifier, identification.pixels, label, seconds), PAGE_MAP_CELLS
    )


def apart(web: Site, classifier: Classifier, photo: bytes, seconds: float) -> float:
    """Return the largest difference of a cell between the device's map and the server's."""
    result = explained(web, classifier.bundle.name, photo, seconds)
    reference = expected(classifier, photo, seconds)
    assert (result["rows"], result["columns"]) == reference.shape
    assert reference.max() > 0.5
    return float(np.abs(np.reshape(result["heat"], reference.shape) - reference).max())


@pytest.mark.browser
def test_fine_map_equals_the_servers(web: Site, colours: Classifier) -> None:
    # All grids, on a photo whose colours pull in several directions.
    picture = drawn(96, 64)
    picture.paste((250, 10, 10), (0, 0, 60, 40))
    assert apart(web, colours, encoded(picture, "PNG"), 60) < TOLERANCE


@pytest.mark.slow
@pytest.mark.browser
def test_coarse_map_of_a_photograph_equals_the_servers(web: Site, imagenet: Classifier) -> None:
    photo = next(sample for sample in samples() if sample.name == "coffee").read()
    assert apart(web, imagenet, photo, 0) < TOLERANCE


@pytest.mark.browser
def test_explanation_can_be_stopped_and_lets_photos_pass(web: Site) -> None:
    script = """
      const { load } = await import("/device/loupe.mjs");
      const model = await load("/models/tiny/");
      const photo = new Blob([await fetchBytes("/photo")]);
      const stop = new AbortController();
      const order = [];
      const explanation = model.explain(photo, {seconds: 60, signal: stop.signal})
        .then(() => order.push("explained"), (error) => order.push(error.name));
      await model.identify(photo).then(() => order.push("identified"));
      stop.abort();
      await explanation;
      const newer = [model.explain(photo), model.explain(photo)].map((one) => refusal(one));
      const [first, second] = await Promise.all(newer);
      return {order, first: first.code, second, file: (await refusal(model.explain(null))).code};
    """
    with web.changed({"/photo": encoded(drawn(96, 64), "PNG")}):
        result = run_script(web, "chromium", script)
    assert result == {
        "order": ["identified", "AbortError"],
        "first": "stopped",
        "second": None,
        "file": "invalid",
    }
