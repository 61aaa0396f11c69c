"""Photos, recipes and what ``model`` makes of them, for a browser to compare with its own.

Jobs of ``COMPARE`` are one file: a line of JSON with sizes and recipes, then for each job its RGBA
bytes and the expected RGB bytes. Those of ``DECODE`` are photos' files, each fetched by number.
"""

import json
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from PIL import Image

from model.errors import PhotoError
from model.photo import MAX_BYTES, MAX_PIXELS, read
from model.preprocess import FILTERS, PADDINGS, PreprocessConfig, fit_aspect, preprocess

COMPARE = """
const compare = async (bytes, preprocess) => {
  const end = bytes.indexOf(10);
  const jobs = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  let at = end + 1;
  const take = (length) => bytes.subarray(at, (at += length));
  const wrong = [];
  for (const {name, width, height, recipe, length} of jobs) {
    const data = new Uint8ClampedArray(take(width * height * 4));
    const expected = take(length);
    const pixels = await preprocess({data, width, height}, recipe);
    const differing = expected.filter((value, place) => value !== pixels[place]).length;
    if (pixels.length !== length || differing) wrong.push(`${name}: ${differing} of ${length}`);
  }
  return {jobs: jobs.length, wrong};
};
"""
"""A JavaScript function: the jobs whose pixels differ, by name."""

DECODE = """
  const { decode } = await import("/device/engine/photo.mjs");
  const { preprocess } = await import("/device/engine/preprocess.mjs");
  const { count, isPreprocessed, recipe, limits } = await (await fetch("/jobs.json")).json();
  const results = [];
  for (let file = 0; file < count; file++) {
    try {
      const photo = new Blob([await fetchBytes(`/file/${file}`)]);
      const image = await decode(photo, recipe, limits);
      const expected = await fetchBytes(`/pixels/${file}`);
      const { data, width, height } = isPreprocessed
        ? { data: await preprocess(image, recipe, { isFitted: true }) }
        : image;
      const apart = Array.from(expected, (value, place) => Math.abs(value - data[place]));
      const most = apart.reduce((one, other) => Math.max(one, other), 0);
      const mean = apart.reduce((sum, value) => sum + value, 0) / expected.length;
      const differing = apart.filter(Boolean).length / expected.length;
      const isWhole = data.length === expected.length;
      results.push({ size: [width, height], isWhole, mean, most, differing });
    } catch (error) {
      results.push({ refused: error.code ?? error.message });
    }
  }
  return results;
"""
"""What each file of ``files_to_decode`` becomes, and how far it is from the expected bytes."""

SIZES = [(1, 1), (2, 2), (5, 1), (1, 9), (33, 33), (61, 47), (97, 240), (240, 97), (256, 192)]
STRIPS = [(1, 400), (400, 1), (3, 1201), (1201, 3), (7, 900)]


def photos_and_recipes(seed: int, count: int) -> list[tuple[Image.Image, PreprocessConfig]]:
    """Return every filter with every method and padding on odd sizes, and ``count`` random jobs."""
    random = np.random.default_rng(seed)

    def noise(width: int, height: int) -> Image.Image:
        return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))

    def side() -> int:
        return int(choice([random.integers(8, 120), 64, 96, 128]))

    def choice(values: Any) -> Any:
        return list(values)[random.integers(len(values))]

    jobs = []
    methods = [("crop", "zeros"), ("squish", "zeros"), *(("pad", name) for name in PADDINGS)]
    for number, (filter_, (method, padding)) in enumerate(product(FILTERS, methods)):
        kind: dict[str, Any] = {"method": method, "padding": padding, "interpolation": filter_}
        kind["greyscale"] = number % 2 == 1
        size = SIZES[number % len(SIZES)]
        jobs.append((noise(*size), PreprocessConfig(resize=(64, 64), crop=(56, 56), **kind)))
        jobs.append((noise(*choice(STRIPS)), PreprocessConfig(resize=(40, 72), **kind)))
    for _ in range(count):
        small, large = random.integers(1, 40, 2), random.integers(50, 400, 2)
        size = choice([small, large, choice(STRIPS), (320, 240)])
        resize = (side(), side())
        crop = (
            tuple(max(8, length - int(choice([0, 1, 32, 33, -10]))) for length in resize)
            if random.random() < 0.5
            else None
        )
        method, padding = choice(methods)
        values = {"resize": resize, "crop": crop, "method": method, "padding": padding}
        values |= {"interpolation": choice(FILTERS), "greyscale": random.random() < 0.5}
        recipe = PreprocessConfig.model_validate(values)
        jobs.append((noise(*map(int, size)), recipe))
    return jobs


def pack(jobs: list[tuple[Image.Image, PreprocessConfig]]) -> bytes:
    """Return the file with these jobs and their expected pixels."""
    header, body = [], []
    for number, (image, recipe) in enumerate(jobs):
        pixels = preprocess(image, recipe).tobytes()
        kind = f"{recipe.interpolation} {recipe.method} {recipe.padding}"
        name = f"{number} {kind}{' greyscale' if recipe.greyscale else ''} {image.size}"
        sizes = {"width": image.width, "height": image.height, "length": len(pixels)}
        header.append({"name": name, "recipe": recipe.model_dump(mode="json"), **sizes})
        body += [image.convert("RGBA").tobytes(), pixels]
    return b"\n".join([json.dumps(header).encode(), b"".join(body)])


def files_to_decode(
    files: Sequence[bytes],
    recipe: PreprocessConfig,
    *,
    preprocessed: bool = False,
    whole: bool = False,
) -> tuple[list[Any], dict[str, bytes | None]]:
    """Return what the server makes of photos, and what ``DECODE`` fetches.

    The first are sizes of decoded photos, or the codes of refusals. Expected bytes are the graph's
    pixels if ``preprocessed``, else RGBA; ``whole`` scales nothing down while decoding.
    """
    limits = {"bytes": MAX_BYTES, "pixels": MAX_PIXELS, "side": 16}
    jobs = {"count": len(files), "isPreprocessed": preprocessed, "limits": limits}
    jobs["recipe"] = recipe.model_dump(mode="json")
    found: list[Any] = []
    served: dict[str, bytes | None] = {"/jobs.json": json.dumps(jobs).encode()}
    for number, data in enumerate(files):
        pixels = b""
        try:
            image = read(data, resize=2**16 if whole else recipe.min_decode_size).image
            if preprocessed:
                pixels = preprocess(image, recipe).tobytes()
            else:
                image = fit_aspect(image, recipe) if recipe.method == "crop" else image
                pixels = image.convert("RGBA").tobytes()
            found.append(image.size)
        except PhotoError as error:
            found.append(error.code)
        served |= {f"/file/{number}": data, f"/pixels/{number}": pixels}
    return found, served
