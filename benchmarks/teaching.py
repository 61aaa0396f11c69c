"""``python -m benchmarks.teaching PHOTOS STRANGERS``: the figures of docs/teaching.md.

PHOTOS has ``train/LABEL/`` and ``validation/LABEL/``, STRANGERS photos of other things. Recordings
are simulated: eight frames of one photo, with random crops and light.
"""

import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from model.teaching.teaching_base import TeachingBase
from numpy.typing import NDArray
from PIL import ImageEnhance, ImageOps

from model.calibration.graph_outputs import open_graph
from model.calibration.statistics import probabilities
from model.classifier import read_file
from model.errors import PhotoError
from model.photo import read
from model.preprocess import preprocess
from model.storage.photo_files import list_photos, map_ordered
from model.teaching.few_shot_head import FewShotHead, label_means, ood_scores, unit
from model.teaching.left_out import fit_head, merge_near_copies
from model.teaching.loupe_file import pack_head
from model.training.data.discover import discover

LABELS, DRAWS, STRANGERS = 3, 20, 100
SINGLES, RECORDINGS = 110, 12
"""Photos of each label to draw from, and how many of them are recorded."""

FRAMES, LIGHT_FRAMES, OTHER_SIDE = (8, 0.2), (5, 0.08), (2, 0.4)
"""Frames of a recording and the most that they lose of each side or change in light: for the
table, to tell near copies, and, mirrored and turned by 30°, for the thing from another side."""

Array = NDArray[Any]


class Photos:
    """Features of all photos, by label."""

    def __init__(self, base: TeachingBase, folder: Path, strangers: Path) -> None:
        self.base, self.random = base, np.random.default_rng(0)
        dataset = discover(folder)
        self.labels = dataset.labels
        learn: dict[str, list[Path]] = {label: [] for label in self.labels}
        judge: dict[str, list[Path]] = {label: [] for label in self.labels}
        for photo in dataset.photos:
            (learn if photo.part == "train" else judge)[photo.label].append(photo.path)
        few = {label: self._shuffle(paths)[:SINGLES] for label, paths in learn.items()}
        self.singles = {label: self._features(paths)[:, 0] for label, paths in few.items()}
        self.held_out = {label: self._features(paths)[:, 0] for label, paths in judge.items()}
        others = self._shuffle(list_photos(strangers))[:STRANGERS]
        self.strangers = self._features(others)[:, 0]
        # As the published bundle answers on a server, with weights that aren't rounded.
        self.base = replace(base, run=open_graph(base.bundle.read("graph.onnx")))
        self.full = {label: self._features(paths)[:, 0] for label, paths in judge.items()}
        self.full[""] = self._features(others)[:, 0]
        self.base = base
        self.recorded, self.light, self.turned = (
            {label: self._features(paths[:RECORDINGS], *frames) for label, paths in few.items()}
            for frames in (FRAMES, LIGHT_FRAMES, OTHER_SIDE)
        )

    def _shuffle(self, paths: Sequence[Path]) -> list[Path]:
        return [paths[place] for place in self.random.permutation(len(paths))]

    def _features(self, paths: Sequence[Path], frames: int = 1, extent: float = 0.0) -> Array:
        """Return features [photos, frames, D]; unreadable photos are left out."""
        recipe = self.base.bundle.manifest.recipe

        def rows(item: tuple[Path, int]) -> Array | None:
            random = np.random.default_rng(item[1])
            try:
                image = read(read_file(item[0]), resize=recipe.min_decode_size).image
            except PhotoError:
                return None
            pixels = []
            for _ in range(frames):
                *corner, scale, light = random.uniform(size=4)
                size = np.array(image.size) * (1 - extent * scale)
                start = (np.array(image.size) - size) * corner
                frame = image.crop(tuple(np.concatenate([start, start + size]).astype(int)))
                frame = ImageEnhance.Brightness(frame).enhance(1 + extent * (2 * light - 1))
                if extent == OTHER_SIDE[1]:
                    frame = ImageOps.mirror(frame).rotate(30 if light > 0.5 else -30)
                pixels.append(preprocess(frame, recipe))
            return self.base.compute_features(pixels)

        seeds = self.random.integers(2**32, size=len(paths))
        found = map_ordered(rows, zip(paths, seeds, strict=True))
        return np.stack([one for one in found if one is not None]).astype(np.float64)

    def draw(self, groups: int, *, recorded: bool) -> tuple[Array, Array, Array, Array, Array, Any]:
        """Return features, labels and recordings to learn, held-out features, labels and names."""
        names, learned = self.random.choice(self.labels, LABELS, replace=False), []
        for name in names:
            source = self.recorded[name] if recorded else self.singles[name][:, None]
            learned.append(source[self.random.permutation(len(source))[:groups]])
        _, frames, width = learned[0].shape
        held_out = [self.held_out[name] for name in names]
        return (
            np.concatenate(learned).reshape(-1, width),
            np.repeat(np.arange(LABELS), groups * frames),
            np.repeat(np.arange(LABELS * groups), frames),
            np.concatenate(held_out),
            np.repeat(np.arange(LABELS), [len(one) for one in held_out]),
            names,
        )

    def measure(self, groups: int, *, recorded: bool) -> dict[str, float]:
        """Return the means over all draws."""
        rows: list[dict[str, float]] = []
        of_base = self.base.features
        for _ in range(DRAWS):
            features, targets, recordings, held_out, truth, names = self.draw(
                groups, recorded=recorded
            )
            started = time.process_time()
            joined = merge_near_copies(features, targets, recordings, of_base["near_copy"])
            head, left_out = fit_head(features, targets, joined, of_base["fallback_cosine"])
            seconds = time.process_time() - started
            right = [label == called for label, called in left_out.outcomes]
            shares = probabilities(head.logits(held_out), head.temperature)
            true = float((shares.argmax(axis=1) == truth).mean())
            on_phone = answer(head, np.concatenate([held_out, self.strangers]))
            on_server = answer(head, np.concatenate([self.full[name] for name in (*names, "")]))
            row = {
                "phone and server agree": (on_phone == on_server).mean(),
                "claimed": np.mean(right) if right else np.nan,
                "true": true,
                "|said - right|": abs(shares.max(axis=1).mean() - true),
                "kept": (head.ood_scores(held_out) <= head.ood_threshold).mean(),
                "turned away": (head.ood_scores(self.strangers) > head.ood_threshold).mean(),
                "CPU seconds": seconds,
                "kB": len(pack_head(head)) / 1000,
            }
            validates, model = self._teachable_machine(features, targets)
            row["theirs, claimed"] = model.score(features[validates], targets[validates])
            row["theirs, true"] = model.score(held_out, truth)
            rows.append(row)
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def _teachable_machine(self, features: Array, targets: Array) -> tuple[Array, Any]:
        """Return the frames that validate, bool [N], and Teachable Machine's head.

        Source: teachablemachine-community, libraries/image/src/teachable-mobilenet.ts: 100 units
        (ReLU) and a softmax, Adam at 0.001, 50 epochs in batches of 16; 15% of each label's
        shuffled frames validate.
        """
        from sklearn.neural_network import MLPClassifier

        validates = np.zeros(len(targets), bool)
        for label in range(LABELS):
            places = self.random.permutation(np.flatnonzero(targets == label))
            validates[places[: int(np.ceil(0.15 * len(places)))]] = True
        batch = min(16, int((~validates).sum()))
        epochs = {"max_iter": 50, "n_iter_no_change": 51, "random_state": 0}
        model = MLPClassifier((100,), alpha=0, batch_size=batch, **epochs)
        with warnings.catch_warnings():
            # It ends after 50 epochs, converged or not.
            warnings.simplefilter("ignore")
            model.fit(features[~validates], targets[~validates])
        return validates, model

    def print_constants(self) -> None:
        """Print what the constants of a base were chosen by."""

        def pairs(features: Array) -> Array:
            return np.asarray(
                (unit(features) @ unit(features).T)[np.triu_indices(len(features), 1)]
            )

        frames = [pairs(rows) for one in self.light.values() for rows in one]
        others = np.concatenate([pairs(one) for one in self.singles.values()])
        median = np.median(np.concatenate(frames))
        print(f"near copies: frames of one photo, median cosine {median:.3f}; highest of")
        print(f"{len(others):,} pairs of different photos of one label: {others.max():.3f}")
        same = [
            (unit(turned) * unit(recording.mean(axis=0)[None])).sum(axis=1)
            for label, recorded in self.recorded.items()
            for recording, turned in zip(recorded, self.turned[label], strict=True)
        ]
        for cosine in (0.35, 0.4, 0.45, 0.5, 0.55):
            rows = []
            for _ in range(DRAWS):
                features, targets, recordings, held_out, _, names = self.draw(1, recorded=True)
                means = label_means(features, targets, recordings)
                kinds = [photos for label, photos in self.held_out.items() if label not in names]
                sets = held_out, np.concatenate(kinds), self.strangers
                rows.append([(ood_scores(one, means) <= -cosine).mean() for one in sets])
            kind, other, stranger = np.mean(rows, axis=0)
            thing = (np.concatenate(same) >= cosine).mean()
            print(
                f"fallback {cosine}: accepts {thing:.1%} of the thing from another side, "
                f"{kind:.0%} of others of its kind, {other:.0%} of other kinds, "
                f"{stranger:.1%} of strangers"
            )


def answer(head: FewShotHead, features: Array) -> Array:
    """Return the top labels, and ``LABELS`` for “none of these”."""
    known = head.ood_scores(features) <= head.ood_threshold
    return np.where(known, head.logits(features).argmax(axis=1), LABELS)


@click.command()
@click.argument("photos", type=click.Path(exists=True, path_type=Path))
@click.argument("strangers", type=click.Path(exists=True, path_type=Path))
@click.option("--base", default="imagenet", show_default=True)
def main(photos: Path, strangers: Path, base: str) -> None:
    """Measure teaching on PHOTOS, and “none of these” on STRANGERS."""
    found = Photos(TeachingBase.open(base), photos, strangers)
    found.print_constants()
    for recorded, counts in ((False, (5,)), (True, (1, 2, 3, 5, 10))):
        for groups in counts:
            figures = found.measure(groups, recorded=recorded)
            cells = [f"{name} {value:.3g}" for name, value in figures.items()]
            kind = "recordings" if recorded else "photos"
            print(f"{groups} {kind} per label: {', '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
