"""Measure what docs/browser.md and docs/teaching.md state, in Chromium and in Firefox.

python -m tests.device.measure formats
python -m tests.device.measure photos imagenet FOLDER
python -m tests.device.measure scaling imagenet FOLDER
python -m tests.device.measure teaching
"""
# ruff: noqa: T201

import io
import json
import struct
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from model import load
from model.answer.prediction import Prediction
from model.bundle.registry import get_bundle
from model.photo import read
from model.preprocess import PreprocessConfig
from model.samples import samples
from tests.device.site import BROWSERS, run_script, site
from tests.device.test_identify import IDENTIFY, by_label
from tests.device.vectors import DECODE, files_to_decode
from tests.photos import drawn, encoded

WHOLE = 2**16
"""A size for ``read`` at which no decoder scales down."""

ENLARGED_PX = 1600
"""Shorter side of enlarged photos, which the server decodes scaled."""


def files() -> dict[str, bytes]:
    """Return one photo in every format and encoding."""
    coffee = next(sample for sample in samples() if sample.name == "coffee")
    photo = coffee.open().convert("RGB").resize((480, 320))
    slope = np.indices((320, 480)).sum(0)
    soft, holes = photo.convert("RGBA"), photo.convert("RGBA")
    soft.putalpha(Image.fromarray((slope % 256).astype(np.uint8)))
    holes.putalpha(Image.fromarray(((slope % 64 > 20) * 255).astype(np.uint8)))
    grey = np.asarray(photo.convert("L")).astype(np.uint16) * 257 + 77
    return {
        "JPEG": encoded(photo),
        "JPEG, progressive": encoded(photo, progressive=True),
        "JPEG, grey": encoded(photo.convert("L")),
        "JPEG, CMYK": encoded(photo.convert("CMYK")),
        "PNG": encoded(photo, "PNG"),
        "PNG, palette": encoded(photo.quantize(200), "PNG"),
        "PNG, opaque with holes": encoded(holes, "PNG"),
        "PNG, partly transparent": encoded(soft, "PNG"),
        "PNG, 16-bit grey": encoded(Image.fromarray(grey), "PNG"),
        "PNG, 16-bit colour": _png_of_16_bits(),
        "WebP, lossy": encoded(photo, "WEBP"),
        "WebP, lossless": encoded(photo, "WEBP", lossless=True),
        "WebP, partly transparent": encoded(soft, "WEBP", lossless=True, exact=True),
        "AVIF, 4:2:0": encoded(photo, "AVIF"),
        "AVIF, 4:4:4": encoded(photo, "AVIF", subsampling="4:4:4"),
        "GIF": encoded(photo.quantize(128), "GIF"),
        "BMP": encoded(photo, "BMP"),
        "TIFF": encoded(photo, "TIFF"),
        "HEIC": encoded(photo, "HEIF"),
        "JPEG cut short": encoded(photo)[:9000],
        "PNG cut short": encoded(photo, "PNG")[:9000],
    }


def _png_of_16_bits() -> bytes:
    """Return a PNG of 16 bits a channel, which Pillow can't write."""
    values = np.random.default_rng(1).integers(0, 65536, (320, 480, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    file.seek(0, io.SEEK_END)
    header = struct.pack(">IIBBBBB", 480, 320, 16, 2, 0, 0, 0)
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        file.write(struct.pack(">I", len(data)) + kind + data + checksum)
    return file.getvalue()


def measure_formats() -> None:
    """Print docs/browser.md's table: decoded bytes against the server's, by format."""
    photos = files()
    recipe = PreprocessConfig(resize=(64, 64), method="squish")
    found, served = files_to_decode([*photos.values()], recipe, whole=True)
    server = [f"refused: {one}" if isinstance(one, str) else "read" for one in found]
    with site() as web, web.changed(served):
        results = [run_script(web, browser, DECODE) for browser in BROWSERS]
    columns = [map(_phrase_difference, one) for one in results]
    print("| photo | server | Chromium | Firefox |\n|---|---|---|---|")
    for row in zip(photos, server, *columns, strict=True):
        print(f"| {' | '.join(row)} |")


def _phrase_difference(decoded: dict[str, Any]) -> str:
    if "refused" in decoded:
        return f"refused: {decoded['refused']}"
    # A quarter of the bytes are the alpha.
    percent = 100 * decoded["differing"] / 0.75
    most = decoded["most"]
    return f"{percent:.0f} % of bytes differ, by at most {most}" if most else "equal"


def measure_photos(name: str, folder: Path) -> None:
    """Print how far the full graph's answers in browsers are from the command line's."""
    bundle, model = get_bundle(name), load(name)
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    expected = [model.identify(path) for path in paths]
    size = bundle.manifest.recipe.min_decode_size
    is_scaled = [
        read(data, resize=size).image.size != read(data, resize=WHOLE).image.size
        for data in map(Path.read_bytes, paths)
    ]
    with site() as web:
        web.add_model(bundle)
        web.files["/names.json"] = json.dumps([path.name for path in paths]).encode()
        web.folders["/photos/"] = folder
        for browser in BROWSERS:
            given = run_script(web, browser, IDENTIFY % name, patience=900)
            for scaled, kind in ((False, "decoded whole"), (True, "decoded scaled on the server")):
                pairs = [
                    (one, other)
                    for one, other, flag in zip(given, expected, is_scaled, strict=True)
                    if flag == scaled
                ]
                others = [other for one, other in pairs if one["answer"] != other.answer]
                most = max((_apart(*pair) for pair in pairs), default=0)
                same = len(pairs) - len(others)
                print(f"{browser}: {len(pairs)} {kind}: {same} same answers, {most:.1e} apart")
                for other in others:
                    first, second = other.top(2)
                    margin = first.probability - second.probability
                    print(f"  the command line is {margin:.3f} surer of {first.label}")


def measure_scaling(name: str, folder: Path) -> None:
    """Print the same for enlarged photos, which the server scales while decoding."""
    with tempfile.TemporaryDirectory(prefix="loupe-enlarged-") as enlarged:
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            photo = read(path.read_bytes(), resize=WHOLE).image
            factor = ENLARGED_PX / min(photo.size)
            size = (round(photo.width * factor), round(photo.height * factor))
            data = encoded(photo.resize(size, Image.Resampling.LANCZOS), quality=90)
            Path(enlarged, path.name).write_bytes(data)
        measure_photos(name, Path(enlarged))


TEACH = """
  const { load } = await import("/device/loupe.mjs");
  const base = await load("/models/imagenet/");
  const photo = new Blob([await fetchBytes("/photo.jpg")]);
  const random = () => Math.random() + Math.random() - 1;
  const median = (times) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
  const timed = async (work, times) => {
    const all = [];
    for (let time = 0; time < times; time++) {
      const started = performance.now();
      await work();
      all.push(performance.now() - started);
    }
    return median(all);
  };
  const lines = [];
  for (const [labels, groups, frames] of [[3, 20, 1], [10, 50, 1], [10, 5, 10]]) {
    const photos = [];
    for (let label = 0; label < labels; label++) {
      const kind = Array.from({length: 1280}, () => 0.4 * random());
      for (let group = 0; group < groups; group++) {
        const centre = kind.map((value) => value + 0.8 * random());
        for (let frame = 0; frame < frames; frame++) {
          const noise = frames > 1 ? 0.1 : 0;
          const features = Float32Array.from(centre, (value) => value + noise * random());
          photos.push({label: `${label}`, recording: `${label} ${group}`, features});
        }
      }
    }
    const project = {title: "x", labels: Array.from({length: labels}, (_, at) => `${at}`), photos};
    await base.teach(project);
    const inference = await timed(() => base.identify(photo), 21);
    const teaching = await timed(() => base.teach(project), 5);
    const training = base.teach(project);
    const waits = [];
    for (let done = false; !done; ) {
      training.then(() => { done = true; });
      waits.push(await timed(() => base.identify(photo), 1));
    }
    lines.push(`${labels} labels x ${groups} recordings x ${frames}: ${teaching.toFixed(0)} ms, ` +
      `${(teaching / inference).toFixed(1)} times one answer of ${inference.toFixed(0)} ms; ` +
      `${waits.length} answers while training, the slowest in ${Math.max(...waits).toFixed(0)} ms`);
  }
  return lines;
"""


def measure_teaching() -> None:
    """Print the time that training takes on random features, beside that of one answer."""
    with site() as web:
        web.add_model(get_bundle("imagenet"))
        web.files["/photo.jpg"] = encoded(drawn(320, 320))
        for browser in BROWSERS:
            print(browser, *run_script(web, browser, TEACH), sep="\n  ")


def _apart(given: dict[str, Any], expected: Prediction) -> float:
    """Return the largest absolute difference between two predictions' probabilities."""
    here, there = by_label(given), by_label(expected.to_dict("", top=10000))
    pairs = ((sorted(values), sorted(there[label])) for label, values in here.items())
    return max(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True))


if __name__ == "__main__":
    what, *values = sys.argv[1:]
    if what in ("formats", "teaching"):
        {"formats": measure_formats, "teaching": measure_teaching}[what]()
    else:
        measure = {"photos": measure_photos, "scaling": measure_scaling}[what]
        measure(values[0], Path(values[1]))
