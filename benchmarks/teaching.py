"""``python -m benchmarks.teaching PHOTOS STRANGERS``: the figures of docs/teaching.md.

PHOTOS has ``train/LABEL/`` and ``validation/LABEL/``, STRANGERS photos of other things. Recordings
are simulated: eight frames of one photo, with random crops and light.
"""

import time
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from PIL import ImageEnhance

from model.calibration.fit import probabilities
from model.calibration.graph_outputs import Run, open_graph
from model.calibration.ood_detectors import unit_rows
from model.classifier import read_file
from model.errors import PhotoError
from model.photo import read
from model.preprocess import PreprocessConfig, preprocess
from model.storage.labelled_photos import discover
from model.storage.photo_files import list_photos, map_ordered
from model.teaching.few_shot_head import FewShotHead, fit_head, merge_near_copies
from model.teaching.loupe_file import pack_head
from model.teaching.teach_folder import open_base

LABELS, DRAWS, STRANGERS = 3, 60, 100
SINGLES, RECORDINGS = 110, 12
"""Photos of each label to draw from, and how many of them are recorded."""

FRAMES, EXTENT = 8, 0.2
"""Frames of a recording; the largest share that they lose of each side or change in light."""

Array = NDArray[Any]
random = np.random.default_rng(0)


def compute(
    run: Run, recipe: PreprocessConfig, paths: list[Path], frames: int = 1, extent: float = 0
) -> Array:
    """Return features, float64 [photos, frames, D]; unreadable photos are left out."""

    def rows(item: tuple[Path, int]) -> list[Array]:
        own, found = np.random.default_rng(item[1]), []
        try:
            image = read(read_file(item[0]), resize=recipe.min_decode_size).image
        except PhotoError:
            return []
        for _ in range(frames):
            *corner, scale, light = own.uniform(size=4)
            size = np.array(image.size) * (1 - extent * scale)
            start = (np.array(image.size) - size) * corner
            frame = image.crop(tuple(np.concatenate([start, start + size]).astype(int)))
            frame = ImageEnhance.Brightness(frame).enhance(1 + extent * (2 * light - 1))
            found.append(run(preprocess(frame, recipe)[None])[1][0])
        return found

    items = zip(paths, random.integers(2**32, size=len(paths)), strict=True)
    return np.array([found for found in map_ordered(rows, items) if found], float)


def answer(head: FewShotHead, features: Array) -> Array:
    """Return the top labels, and ``LABELS`` for “none of these”."""
    known = head.ood_scores(features) <= head.ood_threshold
    return np.where(known, head.logits(features).argmax(axis=1), LABELS)


def fit_teachable_machine(features: Array, targets: Array) -> tuple[float, Any]:
    """Return the accuracy that Teachable Machine's way claims, and its head.

    Source: teachablemachine-community, libraries/image/src/teachable-mobilenet.ts: 100 units
    (ReLU) and a softmax, Adam at 0.001, 50 epochs in batches of 16; 15% of each label's shuffled
    frames validate.
    """
    from sklearn.neural_network import MLPClassifier

    validates = np.zeros(len(targets), bool)
    for label in range(LABELS):
        places = random.permutation(np.flatnonzero(targets == label))
        validates[places[: int(np.ceil(0.15 * len(places)))]] = True
    batch = min(16, int((~validates).sum()))
    epochs = {"max_iter": 50, "n_iter_no_change": 51, "random_state": 0}
    model = MLPClassifier((100,), alpha=0, batch_size=batch, **epochs)
    with warnings.catch_warnings():
        # It ends after 50 epochs, converged or not.
        warnings.simplefilter("ignore")
        model.fit(features[~validates], targets[~validates])
    return model.score(features[validates], targets[validates]), model


def measure(
    sources: dict[str, Array],
    groups: int,
    small: dict[str, Array],
    full: dict[str, Array],
    of_base: dict[str, Any],
) -> dict[str, float]:
    """Return means over all draws of ``groups`` from each of three labels' ``sources``.

    ``small`` and ``full`` are both graphs' features of held-out photos by label; under an empty
    name, those of the strangers.
    """
    rows = []
    for _ in range(DRAWS):
        names = random.choice([*sources], LABELS, replace=False)
        chosen = [sources[name][random.permutation(len(sources[name]))[:groups]] for name in names]
        features = np.concatenate(chosen)
        recordings = np.repeat(np.arange(LABELS * groups), features.shape[1])
        targets = recordings // groups
        features = features.reshape(len(targets), -1)
        held_out = np.concatenate([small[name] for name in names])
        truth = np.repeat(np.arange(LABELS), [len(small[name]) for name in names])
        started = time.process_time()
        joined = merge_near_copies(features, targets, recordings, of_base["near_copy"])
        head, left_out = fit_head(features, targets, joined, of_base["fallback_cosine"])
        seconds = time.process_time() - started
        right = [label == called for label, called in left_out.outcomes]
        shares = probabilities(head.logits(held_out), head.temperature)
        true = float((shares.argmax(axis=1) == truth).mean())
        answers = [
            answer(head, np.concatenate([features_of[name] for name in (*names, "")]))
            for features_of in (small, full)
        ]
        is_stranger = np.arange(len(answers[0])) >= len(truth)
        accepted = answers[0] != LABELS
        claimed, model = fit_teachable_machine(features, targets)
        rows.append(
            {
                "claimed": float(np.mean(right)) if right else np.nan,
                "true": true,
                "|said - right|": abs(shares.max(axis=1).mean() - true),
                "kept": accepted[~is_stranger].mean(),
                "let in": accepted[is_stranger].mean(),
                "CPU ms": 1000 * seconds,
                "kB": len(pack_head(head)) / 1000,
                "phone and server agree": (answers[0] == answers[1]).mean(),
                "theirs, claimed": claimed,
                "theirs, true": model.score(held_out, truth),
            }
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


@click.command()
@click.argument("photos", type=click.Path(exists=True, path_type=Path))
@click.argument("strangers", type=click.Path(exists=True, path_type=Path))
@click.option("--base", default="imagenet", show_default=True)
def main(photos: Path, strangers: Path, base: str) -> None:
    """Measure teaching on PHOTOS, and “none of these” on STRANGERS."""
    bundle, run, of_base = open_base(base)
    recipe = bundle.manifest.recipe
    few, judged = defaultdict[str, list[Path]](list), defaultdict[str, list[Path]](list)
    for photo in discover(photos).photos:
        (few if photo.part == "train" else judged)[photo.label].append(photo.path)
    judged[""] = list_photos(strangers)
    for paths, limit in (*((paths, SINGLES) for paths in few.values()), (judged[""], STRANGERS)):
        random.shuffle(paths)
        del paths[limit:]
    small, full = (
        {label: compute(graph, recipe, paths)[:, 0] for label, paths in judged.items()}
        for graph in (run, open_graph(bundle.read("graph.onnx")))
    )
    singles = {label: compute(run, recipe, paths) for label, paths in few.items()}
    recorded = {
        label: compute(run, recipe, paths[:RECORDINGS], FRAMES, EXTENT)
        for label, paths in few.items()
    }
    rows = [unit_rows(each[:, 0]) for each in singles.values()]
    closest = max(np.tril(each @ each.T, -1).max() for each in rows)
    print(f"highest cosine of two different photos of one label: {closest:.3f}")
    recordings = [unit_rows(frames) for each in recorded.values() for frames in each]
    alike = np.median([np.median(frames @ frames.T) for frames in recordings])
    print(f"median cosine of two frames of one recording: {alike:.3f}")
    kinds = [(5, "photos", singles), *((n, "recordings", recorded) for n in (1, 2, 3, 5, 10))]
    for groups, kind, sources in kinds:
        figures = measure(sources, groups, small, full, of_base)
        cells = [f"{name} {value:.3g}" for name, value in figures.items()]
        print(f"{groups} {kind} per label: {', '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
