"""The choice of an own model's samples among its owner's photos."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ..bundle import Bundle
from ..bundle.bundle_samples import SIDES_PX, SampleEntry, sample_jpeg, write_samples
from ..bundle.manifest import MAX_SAMPLES
from ..classifier import Classifier, read_file
from ..engines.compiled import OnnxEngine
from ..errors import PhotoError
from ..photo import read
from ..text import count_of, list_some

MAX_TRIED = 20
"""Most photos of a label that are looked at."""


def add_samples(bundle: Bundle, photos: Iterable[tuple[Path, str]]) -> str:
    """Choose a bundle's samples among labelled photos, write them, and describe them in a line."""
    samples = choose_samples(Classifier(bundle, OnnxEngine(bundle)), photos)
    write_samples(bundle, samples)
    if not samples:
        return "No samples: the model names none of these photos right."
    labels = [entry.title for entry, _ in samples]
    return f"Visitors see {count_of(len(labels), 'photo')} as samples: {list_some(labels)}"


def choose_samples(
    classifier: Classifier, photos: Iterable[tuple[Path, str]]
) -> list[tuple[SampleEntry, bytes]]:
    """Return samples for ``write_samples``: per label, the likeliest of the right photos.

    Args:
        classifier: the model, which names each sample as it will be shown.
        photos: files with their labels.

    Returns:
        At most ``MAX_SAMPLES``, of the labels that are named most surely, in the labels' order.
    """
    by_label: dict[str, list[Path]] = defaultdict(list)
    for path, label in photos:
        by_label[label].append(path)
    best: dict[str, tuple[float, bytes]] = {}
    for label, paths in by_label.items():
        for path in paths[:MAX_TRIED]:
            try:
                jpeg = sample_jpeg(read(read_file(path), resize=max(SIDES_PX)))
                prediction = classifier.identify(jpeg, timeout=None)
            except PhotoError:
                continue
            probability = prediction.top(1)[0].probability
            if prediction.answer == label and probability > best.get(label, (0, b""))[0]:
                best[label] = probability, jpeg
    surest = sorted(best, key=lambda label: -best[label][0])[:MAX_SAMPLES]
    return [
        (SampleEntry(title=label, alt=label, label=label), best[label][1])
        for label in classifier.bundle.labels
        if label in surest
    ]
