"""A small real model, made in milliseconds and without torch: it names a photo's colour.

Its graph takes the mean colour and ranks the labels by their distance to it, so
that an answer can be foretold: a red photo is red, a grey one is like nothing.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from model.bundle import Bundle, ManifestDraft, publish, write_samples
from model.bundle.bundle_samples import SampleEntry, sample_jpeg
from model.photo import Photo
from model.samples import shapes

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}
SHARPNESS = 8.0
CALIBRATED: dict[str, Any] = {
    "temperature": 1.5,
    "plausible": {"coverage": 0.9, "floors": [0.2] * len(COLOURS)},
    "novelty": 0.5,
}
"""Calibration under which grey, 0.75 from all colours, is unknown."""


def _rows(keys: str, *rows: tuple[object, ...]) -> list[dict[str, Any]]:
    return [dict(zip(keys.split(), row, strict=True)) for row in rows]


CARD: dict[str, Any] = {
    "on": "held-out photos of one colour each",
    "photos": 60,
    "folds": 5,
    # Red: 8 of 10, and one yellow called so, too; nothing was called black.
    "confusion": [
        [0, 0, 8],
        [0, 3, 2],
        [1, 1, 10],
        [2, 2, 9],
        [2, 1, 1],
        [3, 3, 9],
        [3, 0, 1],
        [4, 4, 10],
        [5, 2, 7],
        [5, 4, 3],
    ],
    "reliability": _rows(
        "confidence accuracy photos",
        (0.42, 0.4, 5),
        (0.61, 0.58, 12),
        (0.79, 0.78, 18),
        (0.96, 0.96, 25),
    ),
    "before": _rows(
        "confidence accuracy photos",
        (0.62, 0.4, 10),
        (0.83, 0.7, 20),
        (0.99, 0.93, 30),
    ),
    "mistakes": [
        {"photo": "black/night.png", "label": 5, "said": 2, "probability": 0.88},
        {"photo": "red/sunset.png", "label": 0, "said": 3, "probability": 0.93},
        {"photo": "yellow/lemon.png", "label": 3, "said": 0, "probability": 0.51},
    ],
    "scores": _rows(
        "name auroc let_in bytes kept",
        ("maximum probability", 0.882, 0.25, 0, False),
        ("distance to the nearest colour", 0.973, 0.08, 2400, True),
    ),
    "strangers": _rows(
        "name photos auroc let_in low high",
        ("photographs of other things", 400, 0.994, 0.02, 0.01, 0.039),
        ("colours between the six", 40, 0.802, 0.55, 0.398, 0.693),
    ),
    "command": "python -m model calibrate tiny photos/ --folds 5 --seed 7",
    "seed": 7,
    "notes": ["The photos were drawn by code."],
}
"""Its results on held-out photos, all of them invented."""

MEASURED = [
    {**row, "photos": 60, "on": CARD["on"], "by": "tests"}
    for row in _rows(
        "name value low high",
        ("accuracy", 46 / 60, 0.6456, 0.8556),
        ("calibration_error", 0.019, 0.011, 0.055),
        ("calibration_error_before", 0.102, 0.061, 0.158),
        ("coverage", 0.917, 0.8193, 0.9639),
        ("kept", 0.95, 0.863, 0.9829),
    )
]


def tiny(models_dir: Path, name: str = "tiny", more: Any = None, **options: Any) -> Bundle:
    """Publish the model in a folder of models; options are those of ``files`` and ``values``.

    ``more`` are further files by name, or others in place of its own.
    """
    contents = {**files(**options), **(more or {})}

    def fill(folder: Path) -> None:
        for file, data in contents.items():
            (folder / file).write_bytes(data)

    draft = ManifestDraft.model_validate(values(name, **options))
    return publish(draft, models_dir, fill, is_candidate=bool(options.get("is_candidate")))


def small_card(bundle: Bundle) -> dict[str, Any]:
    """Return a small card that fits a calibrated bundle, for a graph that isn't its own."""
    return {
        "format": 1,
        "version": bundle.version,
        "graph": "0" * 64,
        "confidence": {**CALIBRATED, "novelty": 0.25},
        "metrics": MEASURED,
        "full_metrics": MEASURED,
        "card": CARD,
        "agreement": [{"name": "held-out photos", "photos": 60, "top_label": 59, "known": 58}],
    }


def give_samples(bundle: Bundle, *labels: str) -> None:
    """Give a bundle a sample of each of these labels, in this order."""
    entries = [SampleEntry(title=label, alt=f"Only {label}", label=label) for label in labels]
    photos = [sample_jpeg(Photo.from_image(colour(label))) for label in labels]
    write_samples(bundle, list(zip(entries, photos, strict=True)))


def values(
    name: str = "tiny",
    *,
    side: tuple[int, int] = (32, 32),
    confidence: dict[str, Any] | None = None,
    multilabel: bool = False,
    threshold: float | None = None,
    title: str = "Colours",
    description: str = "Names the colour of a photo.",
    labels: Sequence[str] = tuple(COLOURS),
    language: str = "en",
    card: dict[str, Any] | None = None,
    metrics: Sequence[dict[str, Any]] = (),
    **_: Any,
) -> dict[str, object]:
    """The manifest without ``format`` and ``files``."""
    return {
        "name": name,
        "title": title,
        "description": description,
        "labels": list(labels),
        "language": language,
        "multilabel": multilabel,
        **({"threshold": threshold} if threshold is not None else {}),
        "recipe": {"resize": list(side), "method": "crop", "interpolation": "bilinear"},
        "architecture": {
            "library": "timm",
            "body": "none",
            "head": "linear",
            "features": 3,
            "parameters": 24,
            "mean": [0.0, 0.0, 0.0],
            "std": [1.0, 1.0, 1.0],
        },
        "engines": ["compiled"],
        "licence": "CC0",
        "data": {"title": "none", "source": "arithmetic", "licence": "CC0", "photos": 0},
        **({"metrics": list(metrics)} if metrics else {}),
        "confidence": confidence,
        **({"card": card} if card else {}),
        "made": {"by": "tests"},
    }


def files(
    *,
    side: tuple[int, int] = (32, 32),
    confidence: dict[str, Any] | None = None,
    multilabel: bool = False,
    corner: bool = False,
    sharpness: float = SHARPNESS,
    golden_change: Callable[[dict[str, NDArray[Any]]], object] | None = None,
    **_: Any,
) -> dict[str, bytes]:
    """The files beside ``bundle.json``, by name; ``golden_change`` edits the golden arrays."""
    temperature = confidence["temperature"] if confidence else 1.0
    data, arrays = _contents(
        side=side,
        temperature=temperature,
        multilabel=multilabel,
        novelty=confidence is not None,
        corner=corner,
        sharpness=sharpness,
    )
    arrays = {name: array.copy() for name, array in arrays.items()}
    if golden_change:
        golden_change(arrays)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return {"graph.onnx": data, "golden.npz": file.getvalue()}


@cache
def _contents(**options: Any) -> tuple[bytes, dict[str, NDArray[Any]]]:
    """Return the graph and the golden arrays, made once per process."""
    data = graph(**options)
    return data, golden(data, options["side"])


def graph(
    *,
    side: tuple[int, int] = (32, 32),
    temperature: float = 1.0,
    multilabel: bool = False,
    novelty: bool = False,
    corner: bool = False,
    sharpness: float = SHARPNESS,
    drop: Sequence[str] = (),
) -> bytes:
    """``graph.onnx``. With ``corner`` it sees the upper left quarter of each side only."""
    height, width = side
    centres = np.array(list(COLOURS.values()), dtype=np.float32) / 255
    numbers = {
        "scale": np.array(255.0),
        "weights": 2 * sharpness * centres.T,
        "bias": -sharpness * (centres**2).sum(axis=1),
        "temperature": np.array(temperature),
        "sharpness": np.array(sharpness),
    }
    whole = {
        "begin": np.array([0, 0]),
        "end": np.array([height // 4, width // 4] if corner else [height, width]),
        "sides": np.array([1, 2]),
        "last": np.array([1]),
    }
    nodes = [
        helper.make_node("Slice", ["pixels", "begin", "end", "sides"], ["seen"]),
        helper.make_node("Cast", ["seen"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "scale"], ["shares"]),
        helper.make_node("ReduceMean", ["shares", "sides"], ["features"], keepdims=0),
        helper.make_node("MatMul", ["features", "weights"], ["weighted"]),
        helper.make_node("Add", ["weighted", "bias"], ["logits"]),
        helper.make_node("Div", ["logits", "temperature"], ["calibrated"]),
        helper.make_node("Sigmoid" if multilabel else "Softmax", ["calibrated"], ["probabilities"]),
        # The squared distance to the nearest colour.
        helper.make_node("Mul", ["features", "features"], ["squares"]),
        helper.make_node("ReduceSum", ["squares", "last"], ["length"], keepdims=0),
        helper.make_node("ReduceMax", ["logits", "last"], ["most"], keepdims=0),
        helper.make_node("Div", ["most", "sharpness"], ["nearness"]),
        helper.make_node("Sub", ["length", "nearness"], ["novelty"]),
    ]
    shapes_out: dict[str, list[int | str]] = {
        "logits": ["N", len(COLOURS)],
        "features": ["N", 3],
        "probabilities": ["N", len(COLOURS)],
        **({"novelty": ["N"]} if novelty else {}),
    }
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "colours",
            [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", height, width, 3])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in shapes_out.items()
                if name not in drop
            ],
            [numpy_helper.from_array(n.astype(np.float32), name) for name, n in numbers.items()]
            + [numpy_helper.from_array(n.astype(np.int64), name) for name, n in whole.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def golden(data: bytes, side: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """The arrays of ``golden.npz``: what the graph says to plain colours and drawn shapes."""
    height, width = side
    images = [colour(name) for name in COLOURS] + shapes(64)
    pixels = np.stack([np.asarray(image.resize((width, height))) for image in images])
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [part.name for part in session.get_outputs() if part.name != "features"]
    return {
        "pixels": pixels,
        **dict(zip(names, session.run(names, {"pixels": pixels}), strict=True)),
    }


def colour(name: str | tuple[int, int, int], side: int = 48) -> Image.Image:
    """A photo of one colour."""
    return Image.new("RGB", (side, side), COLOURS[name] if isinstance(name, str) else name)


def edit(bundle: Bundle, **changes: object) -> None:
    """Change fields of ``bundle.json`` on disk."""
    path = bundle.folder / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def replace(bundle: Bundle, name: str, data: bytes) -> None:
    """Put another file in place and vouch for it, as whoever makes a bundle can."""
    (bundle.folder / name).write_bytes(data)
    listed = json.loads((bundle.folder / "bundle.json").read_text())["files"]
    listed[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    edit(bundle, files=listed)
