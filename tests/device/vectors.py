"""Photos, recipes and the pixels that ``model/preprocess.py`` makes of them, packed for a browser.

All jobs are one file: a line of JSON with sizes and recipes, then for each job its RGBA bytes and
the expected RGB bytes.
"""

import json
from itertools import product
from typing import Any

import numpy as np
from PIL import Image

from model.preprocess import FILTERS, PADDINGS, PreprocessConfig, preprocess

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
        kind: dict[str, Any] = {
            "method": method,
            "padding": padding,
            "interpolation": filter_,
            "greyscale": number % 2 == 1,
        }
        size = SIZES[number % len(SIZES)]
        jobs.append((noise(*size), PreprocessConfig(resize=(64, 64), crop=(56, 56), **kind)))
        jobs.append((noise(*choice(STRIPS)), PreprocessConfig(resize=(40, 72), **kind)))
    for _ in range(count):
        size = choice(
            [
                (random.integers(1, 40), random.integers(1, 40)),
                (random.integers(50, 400), random.integers(50, 400)),
                choice(STRIPS),
                (320, 240),
            ]
        )
        resize = (side(), side())
        crop = (
            tuple(max(8, length - int(choice([0, 1, 32, 33, -10]))) for length in resize)
            if random.random() < 0.5
            else None
        )
        method, padding = choice(methods)
        recipe = PreprocessConfig.model_validate(
            {
                "resize": resize,
                "crop": crop,
                "method": method,
                "padding": padding,
                "interpolation": choice(FILTERS),
                "greyscale": random.random() < 0.5,
            }
        )
        jobs.append((noise(*map(int, size)), recipe))
    return jobs


def pack(jobs: list[tuple[Image.Image, PreprocessConfig]]) -> bytes:
    """Return the file with these jobs and their expected pixels."""
    header, body = [], []
    for number, (image, recipe) in enumerate(jobs):
        pixels = preprocess(image, recipe).tobytes()
        kind = f"{recipe.interpolation} {recipe.method} {recipe.padding}"
        name = f"{number} {kind}{' greyscale' if recipe.greyscale else ''} {image.size}"
        header.append(
            {
                "name": name,
                "width": image.width,
                "height": image.height,
                "recipe": recipe.model_dump(mode="json"),
                "length": len(pixels),
            }
        )
        body += [image.convert("RGBA").tobytes(), pixels]
    return b"\n".join([json.dumps(header).encode(), b"".join(body)])
