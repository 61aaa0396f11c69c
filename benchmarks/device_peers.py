"""``python -m benchmarks.device_peers FOLDER``: models in the browser beside two peers.

Loupe, transformers.js and LiteRT.js run the same network in the same Chromium, in WebAssembly on
one thread, from one server of compressed files on this machine. The pages in ``peers/`` follow each
library's documentation. Answers for the photos in FOLDER are compared with Python's.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import click
import onnx
import onnx.utils
from onnx import ModelProto, TensorProto, helper
from playwright.sync_api import Page, Request

from model import Bundle, LoupeError
from model.browser.device_files import device_dir, model_json
from model.browser.runtime import NPM_OPTIONS, find_npm, runtime_dir
from model.bundle import get_bundle
from model.engines.compiled import GRAPH
from model.exporting.writers import convert_graph
from model.storage.photo_files import list_photos

from .apps import INSTALLED, install_peers
from .browser import chromium, finish_visit, new_page, run_in_page
from .environment import BUILD, MODEL, PEERS, ROOT, describe
from .figure import NotMeasured
from .inputs import classifier, small_file
from .traffic import serve_files

VARIANTS = {
    "loupe.html?variant=small": "Loupe, small graph (its default)",
    "loupe.html?variant=full": "Loupe, full graph",
    "transformers.html?variant=q8": "transformers.js, `q8` (its default)",
    "transformers.html?variant=fp32": "transformers.js, `fp32`",
    "litert.html?variant=canvas": "LiteRT.js, photos cropped with a canvas",
    "litert.html?variant=tfjs": "LiteRT.js with TensorFlow.js, as in its demos",
}
"""Titles by page in ``peers/`` and form of the network; all are compared with the first."""


@dataclass(slots=True)
class Readings:
    """The readings of a variant; times in milliseconds, those of frames as medians by round."""

    visits: list[float] = field(default_factory=list)
    """From navigation to the first answer."""
    received: int = 0
    """Bytes of a first visit, without the photo."""
    frames: list[float] = field(default_factory=list)
    networks: list[float] = field(default_factory=list)
    """Of the network alone."""
    flips: int = 0
    """Photos with another top label than Python's."""


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
                    requests: list[Request] = []
                    with new_page(browser, requests) as tab:
                        _wait_for_answer(tab, f"{url}/{page}")
                        seconds, reading.received = finish_visit(tab, requests)
                    reading.visits += [1000 * seconds] if number else []
            # Each page is in a context, and so in a process, of its own.
            tabs = {page: stack.enter_context(new_page(browser)) for page in VARIANTS}
            for page, tab in tabs.items():
                _wait_for_answer(tab, f"{url}/{page}")
            for number in range(1 + rounds):
                for page, tab in tabs.items():
                    tab.bring_to_front()
                    times = [median(each) for each in run_in_page(tab, "identifyFrames", frames)]
                    if number:
                        readings[page].frames.append(times[0])
                        readings[page].networks.append(times[1])
            for page, tab in tabs.items():
                pairs = zip(run_in_page(tab, "identifyPhotos", names), expected, strict=True)
                readings[page].flips = sum(label != other for label, other in pairs)
    except NotMeasured as reason:
        raise click.ClickException(str(reason)) from None
    print("\n".join(format_rows(readings, len(names))))
    print(f"\nMedians of {visits} visits and {rounds} rounds of {frames} frames, all alternately.")
    print(", ".join(f"{name} {value}" for name, value in environment.items()))


def format_rows(readings: Mapping[str, Readings], photos: int) -> list[str]:
    """Return a Markdown table; times are followed by their ratio to those of the first variant."""
    first = next(iter(readings.values()))
    heads = "| | first visit | to the first answer | per frame | … the network alone"
    rows = [f"{heads} | other answers of {photos} |", "|---|---:|---:|---:|---:|---:|"]
    for page, reading in readings.items():
        cells = [VARIANTS[page], f"{reading.received / 1e6:.1f} MB"]
        for name in ("visits", "frames", "networks"):
            times, reference = getattr(reading, name), getattr(first, name)
            ratios = [time / other for time, other in zip(times, reference, strict=True)]
            cells.append(f"{median(times):.0f} ms ({median(ratios):.2f})")
        rows.append(f"| {' | '.join(cells)} | {reading.flips} |")
    return rows


def _wait_for_answer(page: Page, address: str) -> None:
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(address, wait_until="commit")
    while not page.locator("#answer").first.text_content():
        if failures:
            raise NotMeasured(f"{address}: {failures[0]}")
        page.wait_for_timeout(10)


@contextmanager
def _serve(photos: Path) -> Iterator[str]:
    """Serve the pages, their packages, the network in every form, and photos.

    Raises:
        NotMeasured: a peer's packages or converter can't be installed or used.
    """
    npm = find_npm()
    if npm is None:
        raise NotMeasured("npm is missing: install Node.js")
    install_peers("package-lock.json", [*npm, "ci", *NPM_OPTIONS])
    bundle = get_bundle(MODEL)
    graphs = BUILD / "device-peers" / bundle.version
    write_transformers(bundle, graphs)
    litert = graphs / "graph_float32.tflite"
    try:
        # Without 8-bit weights: such files by onnx2tf 2.6.9 give wrong answers in Python.
        if not litert.is_file():
            convert_graph(bundle.read(GRAPH), litert)
    except LoupeError as error:
        raise NotMeasured(str(error)) from None
    loupe = graphs / "model.json"
    loupe.write_text(json.dumps(model_json(bundle, "../../runtime/")))
    folders = {
        "/photo.jpg": small_file(),
        "/photos/": photos,
        "/device/": ROOT / "device",
        "/runtime/": runtime_dir(),
        f"/loupe/{MODEL}/model.json": loupe,
        f"/loupe/{MODEL}/": device_dir(bundle),
        f"/transformers/{MODEL}/preprocessor_config.json": PEERS / "preprocessor_config.json",
        f"/transformers/{MODEL}/": graphs,
        "/litert/graph_float32.tflite": litert,
        "/packages/": INSTALLED / "node_modules",
        "/": PEERS,
    }
    with serve_files(folders) as url:
        yield url


def write_transformers(bundle: Bundle, folder: Path) -> None:
    """Write a bundle's labels and its graphs, in float32 and in the 8-bit form ``q8``."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    config = {
        "architectures": ["EfficientNetForImageClassification"],
        "model_type": "efficientnet",
        "id2label": dict(enumerate(bundle.manifest.labels)),
    }
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    full, small = folder / "onnx" / "model.onnx", folder / "onnx" / "model_quantized.onnx"
    full.write_bytes(make_float_graph(bundle.read(GRAPH)).SerializeToString())
    # As its own conversion script does: onnxruntime-web runs no int8 convolutions.
    quantize_dynamic(full, small, weight_type=QuantType.QUInt8)


def make_float_graph(graph: bytes) -> ModelProto:
    """Return a bundle's graph with the input and output that transformers.js expects.

    Args:
        graph: takes ``pixels``, uint8 ``[N, height, width, 3]``, and normalises them itself.

    Returns:
        A model from ``pixel_values``, float32 ``[N, 3, height, width]``, normalised, to ``logits``.
    """
    model = onnx.load_from_string(graph)
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    (pixels,) = model.graph.input
    batch, height, width, _ = (
        size.dim_param or size.dim_value for size in pixels.type.tensor_type.shape.dim
    )
    normalised = helper.make_tensor_value_info(
        convolution.input[0], TensorProto.FLOAT, [batch, 3, height, width]
    )
    for node in model.graph.node:
        if node.op_type == "Shape" and node.input[0] == pixels.name:
            node.input[0] = normalised.name
    del model.graph.value_info[:]
    model.graph.value_info.append(normalised)
    model = onnx.utils.Extractor(model).extract_model([normalised.name], ["logits"])
    for node in model.graph.node:
        node.input[:] = ["pixel_values" if name == normalised.name else name for name in node.input]
    model.graph.input[0].name = "pixel_values"
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    main()
