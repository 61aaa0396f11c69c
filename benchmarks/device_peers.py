"""``python -m benchmarks.device_peers FOLDER``: models in the browser beside two peers.

The same network in the same Chromium by Loupe, transformers.js and LiteRT.js, all in WebAssembly on
one thread, from the same server of compressed files on this machine. Each peer's page in ``peers/``
uses it as its own documentation shows. FOLDER has photos, whose answers are compared with Python's.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click
from playwright.sync_api import Browser, Page, Request

from model.bundle import get_bundle
from model.exporting.device_files import device_dir, model_json
from model.exporting.runtime import NPM_OPTIONS, find_npm, runtime_dir
from model.photo_files import list_photos

from .browser import TIMEOUT_MS, chromium, count_bytes
from .environment import describe
from .file_server import serve_files
from .paths import BUILD, MODEL, PEERS, ROOT
from .peer_graphs import write_litert, write_transformers
from .photos import small_photo, write_photo
from .reference import classifier
from .registry import NotMeasured

__all__ = ["VARIANTS", "Readings", "Variant", "format_rows", "main"]


@dataclass(frozen=True, slots=True)
class Variant:
    """A page in ``peers/``, and the form of the network that it runs."""

    title: str
    page: str
    variant: str

    @property
    def path(self) -> str:
        """The page's address on the server."""
        return f"/{self.page}.html?variant={self.variant}"


VARIANTS = (
    Variant("Loupe, small graph (its default)", "loupe", "small"),
    Variant("Loupe, full graph", "loupe", "full"),
    Variant("transformers.js, `q8` (its default)", "transformers", "q8"),
    Variant("transformers.js, `fp32`", "transformers", "fp32"),
    Variant("LiteRT.js, photos cropped with a canvas", "litert", "canvas"),
    Variant("LiteRT.js with TensorFlow.js, as in its demos", "litert", "tfjs"),
)
"""All others are compared with the first."""

FRAMES = """
async (count) => {
  const photo = await createImageBitmap(await (await fetch("/photo.jpg")).blob());
  const canvas = new OffscreenCanvas(640, 480);
  canvas.getContext("2d").drawImage(photo, 0, 0, 640, 480);
  const tasks = [0];
  const note = (entries) => tasks.push(...entries.map(({ duration }) => duration));
  const observer = new PerformanceObserver((list) => note(list.getEntries()));
  observer.observe({ type: "longtask" });
  const [frames, networks] = [[], []];
  for (let frame = 0; frame < count; frame++) {
    const started = performance.now();
    const { network } = await identify(canvas);
    frames.push(performance.now() - started);
    networks.push(network);
    // As between the frames of a video, the browser gets a turn.
    await new Promise((resolve) => setTimeout(resolve));
  }
  note(observer.takeRecords());
  observer.disconnect();
  return { frames, networks, longest_task: Math.max(...tasks) };
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
    """What was measured of a variant.

    Attributes:
        visits: milliseconds from navigation to the first answer, one for each round.
        received: bytes of a first visit, without the photo.
        frames: milliseconds of a frame, the median of each round.
        networks: milliseconds of the network alone, the median of each round.
        longest_task: milliseconds of the main thread's longest task; 0 if none took 50.
        flips: photos with another top label than Python's.
    """

    visits: list[float] = field(default_factory=list)
    received: int = 0
    frames: list[float] = field(default_factory=list)
    networks: list[float] = field(default_factory=list)
    longest_task: float = 0
    flips: int = 0


@click.command()
@click.option("--quick", is_flag=True, help="Take few readings: a trial run, not to be quoted.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path, quick: bool) -> None:
    """Print a table of all variants, measured with the photos in FOLDER."""
    visits, rounds, frames = (2, 2, 5) if quick else (11, 21, 10)
    photos = list_photos(folder)[: 20 if quick else None]
    readings = {variant: Readings() for variant in VARIANTS}
    environment = describe()
    try:
        with _serve(folder) as url, chromium() as browser:
            # The first visits are for the server, which then has everything compressed.
            for number in range(1 + visits):
                for variant, reading in readings.items():
                    milliseconds, reading.received = _visit(browser, url + variant.path)
                    reading.visits += [milliseconds] if number else []
            with _open_pages(browser, url) as pages:
                _measure_frames(pages, readings, rounds, frames)
                _count_flips(pages, readings, folder, photos)
    except NotMeasured as reason:
        raise click.ClickException(str(reason)) from None
    print("\n".join(format_rows(readings, len(photos))))
    print(f"\nMedians of {visits} visits and {rounds} rounds of {frames} frames, all alternately.")
    print(", ".join(f"{name} {value}" for name, value in environment.items()))


def format_rows(readings: Mapping[Variant, Readings], photos: int) -> list[str]:
    """Return a Markdown table; times are followed by their ratio to those of the first variant."""
    first = next(iter(readings.values()))
    heads = ["", "first visit", "to the first answer", "a frame", "of it the network"]
    heads += ["longest task of the main thread", f"other answers of {photos}"]
    rows = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for variant, reading in readings.items():
        cells = [
            variant.title,
            f"{reading.received / 1e6:.1f} MB",
            _format_time(reading.visits, first.visits),
            _format_time(reading.frames, first.frames),
            _format_time(reading.networks, first.networks),
            f"{reading.longest_task:.0f} ms" if reading.longest_task else "under 50 ms",
            str(reading.flips),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _format_time(times: list[float], reference: list[float]) -> str:
    ratio = median(time / other for time, other in zip(times, reference, strict=True))
    return f"{median(times):.0f} ms ({ratio:.2f})"


def _visit(browser: Browser, address: str) -> tuple[float, int]:
    """Return a new visitor's milliseconds from navigation to answer, and the bytes received."""
    requests: list[Request] = []
    context = browser.new_context()
    context.on("requestfinished", lambda request: requests.append(request))  # noqa: PLW0108
    try:
        page = context.new_page()
        _wait_for_answer(page, address)
        milliseconds: float = page.evaluate("performance.now()")
        page.wait_for_load_state("networkidle")
        own = [request for request in requests if not request.url.endswith("/photo.jpg")]
        return milliseconds, count_bytes(own)
    finally:
        context.close()


def _wait_for_answer(page: Page, address: str) -> None:
    page.set_default_timeout(TIMEOUT_MS)
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(address, wait_until="commit")
    while not page.locator("#answer").first.text_content():
        if failures:
            raise NotMeasured(f"{address}: {failures[0]}")
        page.wait_for_timeout(10)


@contextmanager
def _open_pages(browser: Browser, url: str) -> Iterator[dict[Variant, Page]]:
    """Open all pages, each in a context, and so in a process, of its own."""
    with ExitStack() as stack:
        pages = {}
        for variant in VARIANTS:
            context = stack.enter_context(browser.new_context())
            pages[variant] = context.new_page()
            _wait_for_answer(pages[variant], url + variant.path)
        yield pages


def _measure_frames(
    pages: Mapping[Variant, Page],
    readings: Mapping[Variant, Readings],
    rounds: int,
    frames: int,
) -> None:
    for number in range(1 + rounds):
        for variant, page in pages.items():
            page.bring_to_front()
            result = page.evaluate(FRAMES, frames)
            if number:
                reading = readings[variant]
                reading.frames.append(median(result["frames"]))
                reading.networks.append(median(result["networks"]))
                reading.longest_task = max(reading.longest_task, result["longest_task"])


def _count_flips(
    pages: Mapping[Variant, Page],
    readings: Mapping[Variant, Readings],
    folder: Path,
    photos: list[Path],
) -> None:
    model = classifier()
    expected = [model.identify(photo).answer for photo in photos]
    names = [photo.relative_to(folder).as_posix() for photo in photos]
    for variant, page in pages.items():
        labels = page.evaluate(LABELS, names)
        differences = [label != other for label, other in zip(labels, expected, strict=True)]
        readings[variant].flips = sum(differences)


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
        "/photo.jpg": write_photo("cat-small.jpg", small_photo()),
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
    lock = PEERS / "package-lock.json"
    installed = build / "package-lock.json"
    if not installed.is_file() or installed.read_bytes() != lock.read_bytes():
        shutil.copy(PEERS / "package.json", build)
        shutil.copy(lock, installed)
        command = [*npm, "ci", *NPM_OPTIONS]
        completed = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)
        if completed.returncode:
            installed.unlink()
            raise NotMeasured(f"npm failed: {' '.join(completed.stderr.split())[:200]}")
    return build / "node_modules"


if __name__ == "__main__":
    main()
