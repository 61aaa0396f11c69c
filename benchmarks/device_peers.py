"""``python -m benchmarks.device_peers FOLDER``: models in the browser beside two peers.

Loupe, transformers.js and LiteRT.js run the same network in the same Chromium, in WebAssembly on
one thread, from one server of compressed files on this machine. The pages in ``peers/`` follow each
library's documentation. Answers for the photos in FOLDER are compared with Python's.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click
from playwright.sync_api import Browser, Page, Request

from model.browser.device_files import device_dir, model_json
from model.browser.runtime import NPM_OPTIONS, find_npm, run_program, runtime_dir
from model.bundle import get_bundle
from model.storage.photo_files import list_photos

from .browser import chromium, count_bytes, new_page
from .drawn_photos import small_file
from .environment import describe
from .figure import NotMeasured
from .file_server import serve_files
from .paths import BUILD, MODEL, PEERS, ROOT
from .peer_graphs import write_litert, write_transformers
from .reference import classifier

VARIANTS = {
    "loupe.html?variant=small": "Loupe, small graph (its default)",
    "loupe.html?variant=full": "Loupe, full graph",
    "transformers.html?variant=q8": "transformers.js, `q8` (its default)",
    "transformers.html?variant=fp32": "transformers.js, `fp32`",
    "litert.html?variant=canvas": "LiteRT.js, photos cropped with a canvas",
    "litert.html?variant=tfjs": "LiteRT.js with TensorFlow.js, as in its demos",
}
"""Titles by page in ``peers/`` and form of the network; all are compared with the first."""

NPM_SECONDS = 600

FRAMES = """
async (count) => {
  const photo = await createImageBitmap(await (await fetch("/photo.jpg")).blob());
  const canvas = new OffscreenCanvas(640, 480);
  canvas.getContext("2d").drawImage(photo, 0, 0, 640, 480);
  const [frames, networks] = [[], []];
  for (let frame = 0; frame < count; frame++) {
    const started = performance.now();
    const { network } = await identify(canvas);
    frames.push(performance.now() - started);
    networks.push(network);
    // As between the frames of a video, the browser gets a turn.
    await new Promise((resolve) => setTimeout(resolve));
  }
  return [frames, networks];
}
"""
"""Identify a frame ``count`` times; return the milliseconds of each, and of the network alone."""

LABELS = """
async (names) => {
  const labels = [];
  for (const name of names) {
    const photo = await (await fetch(`/photos/${encodeURIComponent(name)}`)).blob();
    labels.push((await identify(photo)).label);
  }
  return labels;
}
"""


@dataclass(slots=True)
class Readings:
    """The readings of a variant.

    Attributes:
        visits: milliseconds from navigation to the first answer, one for each round.
        received: bytes of a first visit, without the photo.
        frames: milliseconds of a frame, the median of each round.
        networks: milliseconds of the network alone, the median of each round.
        flips: photos with another top label than Python's.
    """

    visits: list[float] = field(default_factory=list)
    received: int = 0
    frames: list[float] = field(default_factory=list)
    networks: list[float] = field(default_factory=list)
    flips: int = 0


@click.command()
@click.option("--quick", is_flag=True, help="Take few readings: a trial run, not to be quoted.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path, quick: bool) -> None:
    """Print a table of all variants, measured with the photos in FOLDER."""
    visits, rounds, frames = (2, 2, 5) if quick else (11, 21, 10)
    names = [path.relative_to(folder).as_posix() for path in list_photos(folder)]
    names = names[: 20 if quick else None]
    readings = {page: Readings() for page in VARIANTS}
    environment = describe()
    try:
        expected = [classifier().identify(folder / name).answer for name in names]
        with _serve(folder) as url, chromium() as browser, ExitStack() as stack:
            # The first visits are for the server, which then has everything compressed.
            for number in range(1 + visits):
                for page, reading in readings.items():
                    milliseconds, reading.received = _visit(browser, f"{url}/{page}")
                    reading.visits += [milliseconds] if number else []
            # Each page is in a context, and so in a process, of its own.
            tabs = {page: stack.enter_context(new_page(browser)) for page in VARIANTS}
            for page, tab in tabs.items():
                _wait_for_answer(tab, f"{url}/{page}")
            for number in range(1 + rounds):
                for page, reading in readings.items():
                    _measure_frames(tabs[page], reading if number else Readings(), frames)
            for page, reading in readings.items():
                labels = tabs[page].evaluate(LABELS, names)
                pairs = zip(labels, expected, strict=True)
                reading.flips = sum(label != other for label, other in pairs)
    except NotMeasured as reason:
        raise click.ClickException(str(reason)) from None
    print("\n".join(format_rows(readings, len(names))))
    print(f"\nMedians of {visits} visits and {rounds} rounds of {frames} frames, all alternately.")
    print(", ".join(f"{name} {value}" for name, value in environment.items()))


def format_rows(readings: Mapping[str, Readings], photos: int) -> list[str]:
    """Return a Markdown table; times are followed by their ratio to those of the first variant."""
    first = next(iter(readings.values()))
    heads = ["", "first visit", "to the first answer", "per frame", "… the network alone"]
    heads.append(f"other answers of {photos}")
    rows = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for page, reading in readings.items():
        cells = [
            VARIANTS[page],
            f"{reading.received / 1e6:.1f} MB",
            _format_time(reading.visits, first.visits),
            _format_time(reading.frames, first.frames),
            _format_time(reading.networks, first.networks),
            str(reading.flips),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _format_time(times: Sequence[float], reference: Sequence[float]) -> str:
    ratio = median(time / other for time, other in zip(times, reference, strict=True))
    return f"{median(times):.0f} ms ({ratio:.2f})"


def _visit(browser: Browser, address: str) -> tuple[float, int]:
    """Return a new visitor's milliseconds from navigation to answer, and the bytes received."""
    requests: list[Request] = []
    with new_page(browser, requests) as page:
        _wait_for_answer(page, address)
        milliseconds: float = page.evaluate("performance.now()")
        page.wait_for_load_state("networkidle")
        own = [request for request in requests if not request.url.endswith("/photo.jpg")]
        return milliseconds, count_bytes(own)


def _wait_for_answer(page: Page, address: str) -> None:
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(address, wait_until="commit")
    while not page.locator("#answer").first.text_content():
        if failures:
            raise NotMeasured(f"{address}: {failures[0]}")
        page.wait_for_timeout(10)


def _measure_frames(page: Page, reading: Readings, count: int) -> None:
    page.bring_to_front()
    frames, networks = page.evaluate(FRAMES, count)
    reading.frames.append(median(frames))
    reading.networks.append(median(networks))


@contextmanager
def _serve(photos: Path) -> Iterator[str]:
    """Serve the pages, their packages, the network in every form, and photos."""
    bundle = get_bundle(MODEL)
    build = BUILD / "device-peers"
    graphs = build / bundle.version
    write_transformers(bundle, graphs / "transformers" / MODEL)
    write_litert(bundle, graphs / "litert")
    loupe = graphs / "model.json"
    loupe.write_text(json.dumps(model_json(bundle, "../../runtime/")))
    folders = {
        "/photo.jpg": small_file(),
        "/photos/": photos,
        "/device/": ROOT / "device",
        "/runtime/": runtime_dir(),
        f"/loupe/{MODEL}/model.json": loupe,
        f"/loupe/{MODEL}/": device_dir(bundle),
        "/transformers/": graphs / "transformers",
        "/litert/": graphs / "litert",
        "/packages/": _install_packages(build),
        "/": PEERS,
    }
    with serve_files(folders) as url:
        yield url


def _install_packages(build: Path) -> Path:
    """Return the folder with the peers' packages; npm installs them once."""
    npm = find_npm()
    if npm is None:
        raise NotMeasured("npm is missing: install Node.js")
    lock, installed = PEERS / "package-lock.json", build / "installed.json"
    if not installed.is_file() or installed.read_bytes() != lock.read_bytes():
        for path in (PEERS / "package.json", lock):
            shutil.copy(path, build)
        run_program(
            [*npm, "ci", *NPM_OPTIONS],
            "npm couldn't fetch the peers",
            timeout=NPM_SECONDS,
            error=NotMeasured,
            reason=slice(2),
            cwd=build,
        )
        shutil.copy(lock, installed)
    return build / "node_modules"


if __name__ == "__main__":
    main()
