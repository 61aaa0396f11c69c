"""``python -m benchmarks.teaching PHOTOS STRANGERS``: the figures of docs/teaching.md.

PHOTOS has ``train/LABEL/`` and ``validation/LABEL/``, STRANGERS photos of other things. Recordings
are simulated: eight frames of one photo, with random crops and light.
"""

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from PIL import ImageEnhance

from model.calibration.statistics import probabilities
from model.classifier import read_file
from model.errors import PhotoError
from model.photo import read
from model.preprocess import preprocess
from model.storage.photo_files import list_photos, map_ordered
from model.teaching.few_shot_head import FewShotHead, label_means, ood_scores, unit
from model.teaching.left_out import fit_head, merge_near_copies
from model.teaching.loupe_file import pack_head
from model.teaching.teaching_base import TeachingBase
from model.training.data.discover import discover

LABELS, DRAWS, FRAMES, STRANGERS = 3, 20, 8, 100
TAUGHT = 110
"""Photos of each label to draw from."""

RECORDED = 12
"""Photos of each label that recordings are made of."""

Array = NDArray[Any]


class Draw(NamedTuple):
    """Photos to learn, their labels and recordings; held-out photos with their labels."""

    features: Array
    targets: Array
    recordings: Array
    held_out: Array
    held_out_targets: Array


class Photos:
    """Features of all photos, by label."""

    def __init__(self, base: TeachingBase, folder: Path, strangers: Path) -> None:
        self.base, self.random = base, np.random.default_rng(0)
        self.recipe = base.bundle.manifest.recipe
        dataset = discover(folder)
        self.labels = dataset.labels
        of: dict[tuple[str, bool], list[Path]] = {}
        for photo in dataset.photos:
            of.setdefault((photo.label, photo.part == "train"), []).append(photo.path)
        few = {label: self._shuffle(of[label, True])[:TAUGHT] for label in self.labels}
        self.singles = {label: self.features(few[label]) for label in self.labels}
        self.held_out = {label: self.features(of[label, False]) for label in self.labels}
        self.strangers = self.features(self._shuffle(list_photos(strangers))[:STRANGERS])
        self.recordings, self.light = (
            {
                label: self.features(few[label][:RECORDED], frames, extent).reshape(
                    RECORDED, frames, -1
                )
                for label in self.labels
            }
            for frames, extent in ((FRAMES, 0.2), (5, 0.08))
        )

    def _shuffle(self, paths: Sequence[Path]) -> list[Path]:
        return [paths[place] for place in self.random.permutation(len(paths))]

    def features(self, paths: Sequence[Path], frames: int = 1, extent: float = 0.0) -> Array:
        """Return features of photos, or of frames that lose and change up to ``extent``."""
        seeds = self.random.integers(2**32, size=len(paths))

        def rows(item: tuple[Path, int]) -> Array | None:
            path, random = item[0], np.random.default_rng(item[1])
            try:
                image = read(read_file(path), resize=self.recipe.min_decode_size).image
            except PhotoError:
                return None
            pixels = []
            for _ in range(frames):
                scale, left, top, light = random.uniform(size=4)
                size = np.array(image.size) * (1 - extent * scale)
                start = (np.array(image.size) - size) * (left, top)
                frame = image.crop(tuple(np.concatenate([start, start + size]).astype(int)))
                frame = ImageEnhance.Brightness(frame).enhance(1 + extent * (2 * light - 1))
                pixels.append(preprocess(frame, self.recipe))
            return self.base.compute_features(pixels)

        found = map_ordered(rows, zip(paths, seeds, strict=True))
        return np.concatenate([one for one in found if one is not None]).astype(np.float64)

    def draw(self, groups: int, *, recorded: bool) -> Draw:
        """Draw labels, and as many photos or recordings of each to learn."""
        names = self.random.choice(self.labels, LABELS, replace=False)
        learned = []
        for name in names:
            source = self.recordings[name] if recorded else self.singles[name][:, None]
            learned.append(source[self.random.permutation(len(source))[:groups]])
        frames = learned[0].shape[1]
        held_out = [self.held_out[name] for name in names]
        return Draw(
            np.concatenate(learned).reshape(LABELS * groups * frames, -1),
            np.repeat(np.arange(LABELS), groups * frames),
            np.repeat(np.arange(LABELS * groups), frames),
            np.concatenate(held_out),
            np.repeat(np.arange(LABELS), [len(one) for one in held_out]),
        )


def fit_teachable_machine(draw: Draw, random: np.random.Generator) -> tuple[float, float]:
    """Return claimed and true accuracy of Teachable Machine's head on the same features.

    Source: teachablemachine-community, libraries/image/src/teachable-mobilenet.ts: 100 units
    (ReLU) and a softmax, Adam at 0.001, 50 epochs in batches of 16; 15% of each label's shuffled
    frames validate.
    """
    from sklearn.neural_network import MLPClassifier

    validates = np.zeros(len(draw.targets), bool)
    for label in range(LABELS):
        places = random.permutation(np.flatnonzero(draw.targets == label))
        validates[places[: int(np.ceil(0.15 * len(places)))]] = True
    model = MLPClassifier(
        (100,),
        alpha=0,
        batch_size=min(16, int((~validates).sum())),
        max_iter=50,
        tol=0,
        n_iter_no_change=51,
        random_state=0,
    )
    with warnings.catch_warnings():
        # It ends after 50 epochs, converged or not.
        warnings.simplefilter("ignore")
        model.fit(draw.features[~validates], draw.targets[~validates])
    claimed = model.score(draw.features[validates], draw.targets[validates])
    return float(claimed), float(model.score(draw.held_out, draw.held_out_targets))


def near_copies(photos: Photos) -> None:
    """Print what separates frames of one photo from different photos of one label."""
    upper = np.triu_indices(5, 1)
    frames = [(rows @ rows.T)[upper] for one in photos.light.values() for rows in map(unit, one)]
    others = [
        (rows @ rows.T)[np.triu_indices(len(rows), 1)]
        for rows in map(unit, photos.singles.values())
    ]
    same, different = np.concatenate(frames), np.concatenate(others)
    print(
        f"near copies: five frames (crop and light up to 8%), {len(same)} pairs: median cosine "
        f"{np.median(same):.3f}; different photos, {len(different)} pairs: highest "
        f"{different.max():.3f}"
    )


def fallback(photos: Photos) -> None:
    """Print what a fixed cosine keeps and turns away with one recording of each label."""
    for cosine in (0.3, 0.35, 0.4, 0.45, 0.5):
        rows = []
        for _ in range(DRAWS):
            draw = photos.draw(1, recorded=True)
            means = label_means(draw.features, draw.targets, draw.recordings)
            kept = ood_scores(draw.held_out, means) <= -cosine
            rows.append((kept.mean(), (ood_scores(photos.strangers, means) > -cosine).mean()))
        kept_share, away = np.mean(rows, axis=0)
        print(f"fallback {cosine:.2f}: {kept_share:.0%} kept, {away:.0%} of strangers turned away")


def measure(photos: Photos, groups: int, *, recorded: bool) -> dict[str, float]:
    """Return the means over all draws."""
    rows: list[dict[str, float]] = []
    near_copy, fallback_cosine = (photos.base.features[n] for n in ("near_copy", "fallback_cosine"))
    for _ in range(DRAWS):
        draw = photos.draw(groups, recorded=recorded)
        started = time.perf_counter()
        together = merge_near_copies(draw.features, draw.targets, draw.recordings, near_copy)
        head, left_out = fit_head(
            draw.features.astype(np.float32), draw.targets, together, fallback_cosine
        )
        seconds = time.perf_counter() - started
        outcomes = [label == called for label, called in left_out.outcomes]
        claimed, true = fit_teachable_machine(draw, photos.random)
        rows.append(
            {
                "claimed": float(np.mean(outcomes)) if outcomes else np.nan,
                **judge(head, draw, photos.strangers),
                "seconds": seconds,
                "bytes": len(pack_head(head)),
                "theirs, claimed": claimed,
                "theirs, true": true,
            }
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def judge(head: FewShotHead, draw: Draw, strangers: Array) -> dict[str, float]:
    """Return what a head says of photos that it wasn't fitted to."""
    shares = probabilities(head.logits(draw.held_out), head.temperature)
    true = float((shares.argmax(axis=1) == draw.held_out_targets).mean())
    return {
        "true": true,
        "|said - right|": abs(float(shares.max(axis=1).mean()) - true),
        "kept": float((head.ood_scores(draw.held_out) <= head.ood_threshold).mean()),
        "turned away": float((head.ood_scores(strangers) > head.ood_threshold).mean()),
    }


@click.command()
@click.argument("photos", type=click.Path(exists=True, path_type=Path))
@click.argument("strangers", type=click.Path(exists=True, path_type=Path))
@click.option("--base", default="imagenet", show_default=True)
def main(photos: Path, strangers: Path, base: str) -> None:
    """Measure teaching on PHOTOS, and “none of these” on STRANGERS."""
    found = Photos(TeachingBase.open(base), photos, strangers)
    near_copies(found)
    fallback(found)
    for recorded, counts in ((False, (5,)), (True, (1, 2, 3, 5, 10))):
        for groups in counts:
            figures = measure(found, groups, recorded=recorded)
            kind = "recordings" if recorded else "photos"
            cells = [f"{name} {value:.3g}" for name, value in figures.items()]
            print(f"{groups} {kind} per label: {', '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
