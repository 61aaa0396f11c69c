"""Stored predictions of runs, so that runs are compared without running their models."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..answer.prediction import Prediction
from ..bundle import HASH_DIGITS
from ..calibration.fit import probabilities
from ..calibration.graph_outputs import GraphOutputs
from ..errors import DataError
from ..evaluation.metrics import Row
from ..evaluation.paired import PairedEvaluation, summarise_pair
from ..storage.disk import replace_atomically
from ..text import clean, list_some
from .run_record import PREDICTIONS_FILE, RunRecord, list_runs


@dataclass(frozen=True, slots=True)
class Mistake:
    """A photo, its label, the wrong label it was called, and its own label's probability."""

    photo: str
    label: str
    called: str
    probability: float


@dataclass(frozen=True, eq=False)
class StoredPredictions:
    """Predictions for N photos, each by a model that was not trained on the photo.

    ``labels`` [L]; ``names`` and ``hashes`` of photos [N]; ``targets`` intp [N], indices of labels;
    ``probabilities`` float32 [N, L]; ``accepted`` bool [N], False for "none of these".
    """

    labels: Sequence[str]
    names: Sequence[str]
    hashes: Sequence[str]
    targets: NDArray[np.intp]
    probabilities: NDArray[np.float32]
    accepted: NDArray[np.bool_]

    @classmethod
    def load(cls, record: RunRecord) -> "StoredPredictions":
        """Return a run's predictions.

        Raises:
            DataError: the run has none, since it did not finish, or they cannot be read.
        """
        saved = _load(record)
        texts = {name: saved[name].tolist() for name in ("labels", "names", "hashes")}
        arrays = {name: saved[name] for name in ("targets", "probabilities", "accepted")}
        return cls(**texts, **arrays)

    @property
    def mistakes(self) -> list[Mistake]:
        """Photos whose top label is wrong, by their own label's probability, lowest first."""
        called = self.probabilities.argmax(axis=1)
        right = self.probabilities[np.arange(len(called)), self.targets]
        places = [int(place) for place in np.argsort(right) if called[place] != self.targets[place]]
        return [
            Mistake(
                self.names[place],
                self.labels[self.targets[place]],
                self.labels[called[place]],
                float(right[place]),
            )
            for place in places
        ]

    def row(self, record: RunRecord, place: int) -> Row:
        """Return the prediction at an index as a row for comparisons."""
        prediction = Prediction(
            record.model,
            record.version,
            "compiled",
            tuple(self.labels),
            self.probabilities[place],
            in_distribution=bool(self.accepted[place]),
        )
        return Row(self.names[place], self.labels[self.targets[place]], prediction)


def save_predictions(
    record: RunRecord,
    outputs: GraphOutputs,
    hashes: Sequence[str],
    labels: Sequence[str],
    sides: tuple[Sequence[str], Sequence[str]],
    *,
    temperature: float,
    accepted: NDArray[np.bool_],
) -> None:
    """Store a run's predictions.

    Args:
        outputs: logits of models that were not trained on the photos, with their names.
        hashes: SHA-256 of the same photos.
        sides: SHA-256 of the training photos, and of the held-out ones.
        accepted: bool [N], False for "none of these".
    """
    trained, held_out = (_shorten(side) for side in sides)
    arrays: dict[str, Any] = {
        "labels": np.array(labels, str),
        "names": np.array(outputs.names, str),
        "hashes": _shorten(hashes),
        "targets": outputs.targets,
        "probabilities": probabilities(outputs.logits, temperature).astype(np.float32),
        "accepted": accepted,
        "trained": trained,
        "held_out": held_out,
    }
    with replace_atomically(record.folder / PREDICTIONS_FILE) as new, new.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _shorten(hashes: Sequence[str]) -> NDArray[np.str_]:
    return np.array([text[:HASH_DIGITS] for text in hashes], str)


def find_sides(model: str) -> dict[str, bool]:
    """Return by photo whether a model's last run held it out (True) or trained on it (False).

    Keys are the first ``HASH_DIGITS`` of the photos' SHA-256; empty without such a run.
    """
    for record in list_runs():
        if record.model == model:
            with suppress(DataError, KeyError):
                saved = _load(record)
                held_out = dict.fromkeys(saved["held_out"].tolist(), True)
                return {**held_out, **dict.fromkeys(saved["trained"].tolist(), False)}
    return {}


def compare_runs(old: RunRecord, new: RunRecord) -> PairedEvaluation:
    """Compare two runs on the photos that both were measured on.

    Raises:
        DataError: their labels differ, no photo is common to both, or a run has no predictions.
    """
    before, after = StoredPredictions.load(old), StoredPredictions.load(new)
    if differing := {*before.labels} ^ {*after.labels}:
        names = list_some(sorted(map(clean, differing)))
        raise DataError(f"Only one of the runs has the labels {names}.")
    places = {key: place for place, key in enumerate(before.hashes)}
    pairs = [
        (before.row(old, places[key]), after.row(new, place))
        for place, key in enumerate(after.hashes)
        if key in places
    ]
    # Photos that were relabelled between the runs can't be compared.
    pairs = [(first, second) for first, second in pairs if first.label == second.label]
    if not pairs:
        raise DataError("The two runs were not measured on any of the same photos.")
    return summarise_pair(after.labels, pairs)


def _load(record: RunRecord) -> dict[str, Any]:
    try:
        with np.load(record.folder / PREDICTIONS_FILE, allow_pickle=False) as saved:
            return dict(saved)
    except Exception as error:
        raise DataError(f"Run {record.number} has no stored predictions.") from error
