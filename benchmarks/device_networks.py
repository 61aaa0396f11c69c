"""``python -m benchmarks.device_networks``: the engine that a network gets in browsers, and times.

Networks have random weights and are exported as `train` and `import` do. The small graph runs in
Chromium by the plain and the relaxed kernels and by ONNX Runtime, one after the other.
"""

import gzip
import tempfile
from pathlib import Path
from statistics import median

import click

from model.browser.packed_network import NotPackable, pack_network
from model.browser.runtime import runtime_dir, runtime_info
from model.browser.small_graph import make_small_graph
from model.bundle import get_bundle

from .browser import chromium, new_page, run_in_page
from .environment import MODEL, ROOT
from .traffic import serve_files

NETWORKS = {
    "timm": "tf_efficientnet_lite0 tf_efficientnet_lite1 tf_efficientnet_lite2 mobilenetv2_100 "
    "mnasnet_100 efficientnet_b0 resnet26d regnety_002 repvgg_a0 convnext_atto",
    "torchvision": "mobilenet_v3_small mobilenet_v3_large resnet18 resnet34 resnet50 alexnet "
    "vgg16_bn squeezenet1_1 densenet121 resnext50_32x4d",
    "fastai": "xresnet18 xresnet50",
}
"""Bodies by library; those of timm get a linear head, as by `train`, others fastai's."""


def _export(library: str, body: str, folder: Path) -> bytes:
    """Return the small graph of a network with random weights."""
    import timm

    from model.learner.inference_module import export_onnx
    from model.learner.rebuild import empty_learner

    features = timm.create_model(body, num_classes=0).num_features if library == "timm" else 1
    manifest = get_bundle(MODEL).manifest
    head = "linear" if library == "timm" else "fastai"
    values = {"library": library, "body": body, "head": head, "features": features}
    architecture = manifest.architecture.model_copy(update=values)
    changes = {"architecture": architecture, "labels": manifest.labels[:10], "calibration": None}
    draft = manifest.model_copy(update={**changes, "engines": ("compiled",)})
    export_onnx(empty_learner(draft).model, draft, folder)
    return make_small_graph((folder / "graph.onnx").read_bytes())


@click.command()
@click.option("--rounds", default=15, show_default=True)
@click.argument("names", nargs=-1)
def main(rounds: int, names: tuple[str, ...]) -> None:
    """Print a table of all networks, or of those in NAMES."""
    print("| network | engine | plain | relaxed | ONNX Runtime |")
    print("|---|---|---:|---:|---:|")
    for library, bodies in NETWORKS.items():
        for body in bodies.split():
            if not names or body in names:
                print(f"| `{body}` ({library}) | {_measure(library, body, rounds)} |", flush=True)


def _measure(library: str, body: str, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder, info = Path(name), runtime_info()
        graph, engine = _export(library, body, folder), "kernels"
        (folder / "graph").write_bytes(graph)
        wasm = gzip.decompress((runtime_dir() / info["wasm"]).read_bytes())
        (folder / "wasm").write_bytes(wasm)
        try:
            (folder / "packed").write_bytes(pack_network(graph))
        except NotPackable as lacking:
            engine = f"ONNX Runtime: {lacking}"
        folders = {"/device/": ROOT / "device", "/runtime/": runtime_dir(), "/": folder}
        with serve_files(folders) as url, new_page(browser) as page:
            page.goto(f"{url}/device/icon-192.png")
            arguments = (engine == "kernels", rounds, f"/runtime/{info['module']}")
            times = [median(each) for each in run_in_page(page, "runEngines", *arguments)]
    *own, onnx = times
    cells = [f"{each:.0f} ms ({each / onnx:.2f})" for each in own] or ["–", "–"]
    return " | ".join([engine, *cells, f"{onnx:.0f} ms"])


if __name__ == "__main__":
    main()
