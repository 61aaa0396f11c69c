"""The photos of a calibration: held-out ones in a folder per label, and photos of no label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ..bundle import Bundle
from ..errors import DataError
from ..evaluation.labelled_folders import UNRECORDED, find_trained, labelled_photos
from ..evaluation.tables import require_single_label
from ..events import Progress
from ..storage.photo_files import list_photos, printable
from .graph_outputs import MIN_PHOTOS, CalibrationOutputs, GraphOutputs, Run, run_photos

HELD_OUT_FOLDERS = ("validation", "valid", "val", "dev", "test", "testing")


@dataclass(frozen=True)
class CalibrationPhotos:
    """The photos by which a bundle is calibrated.

    ``labels`` are the true labels of held-out photos in ``folder``, ``unmatched`` the names of
    folders that match no label, ``ood`` the OOD photos by the name of their set; ``notes`` are
    lines for the card.
    """

    bundle: Bundle
    folder: Path
    labels: dict[Path, str]
    unmatched: list[str]
    ood: dict[str, list[Path]]
    notes: tuple[str, ...] = ()

    @classmethod
    def find(
        cls, bundle: Bundle, folder: Path, unknown: Mapping[str, Path] = MappingProxyType({})
    ) -> "CalibrationPhotos":
        """Find the photos in ``folder``, one folder per label, and in the sets ``unknown``.

        Raises:
            DataError: the folders, their names, the number of photos or the model do not fit.
        """
        require_single_label(bundle.manifest.multilabel)
        photos, unmatched = labelled_photos(folder, bundle.labels)
        return cls(bundle, folder, dict(photos), unmatched, list_ood_photos(unknown))

    def without_trained(self) -> "CalibrationPhotos":
        """Leave out the photos that the model was trained on, as far as it records them.

        Raises:
            DataError: too few others are left.
        """
        found = find_trained(self.bundle, self.labels)
        if found is None:
            return replace(self, notes=(UNRECORDED,))
        if not (trained := {*found}):
            return self
        labels = {path: label for path, label in self.labels.items() if path not in trained}
        if len(labels) < MIN_PHOTOS:
            count = "all" if not labels else f"{len(trained):,} of the"
            raise DataError(
                f"The model was trained on {count} {len(self.labels):,} photos in {self.folder}, "
                "which would make it look better than it is. Use at least "
                f"{MIN_PHOTOS} photos that it hasn't seen{_suggest(self.bundle, self.folder)}."
            )
        note = f"Photos that the model was trained on, skipped: {len(trained):,}"
        return replace(self, labels=labels, notes=(note,))

    def run(
        self, run: Run, progress: Progress
    ) -> tuple[CalibrationOutputs, dict[str, Sequence[str]]]:
        """Return a graph's outputs for all photos, and the names of what it skipped, by reason.

        Raises:
            DataError: too few photos can be used, or those of one label only.
        """

        def run_stage(stage: str, paths: Sequence[Path]) -> tuple[GraphOutputs, list[Path]]:
            return run_photos(run, paths, self.bundle.manifest.recipe, stage, progress)

        held_out, left_out = run_stage("Held-out photos", list(self.labels))
        skipped = set(left_out)
        used = [path for path in self.labels if path not in skipped]
        targets = [self.bundle.labels.index(self.labels[path]) for path in used]
        if len(set(targets)) < 2:
            raise DataError(
                f"{self.folder} has photos of one label only. Add photos of the others."
            )
        held_out = replace(held_out, targets=np.array(targets), names=self._names(used))
        ood_sets = {name: run_stage("Unknown photos", paths)[0] for name, paths in self.ood.items()}
        return CalibrationOutputs(held_out, ood_sets), {
            "Skipped folders (no label with that name)": self.unmatched,
            "Skipped photos (unreadable, or copies of another one)": self._names(left_out),
        }

    def _names(self, paths: Sequence[Path]) -> tuple[str, ...]:
        return tuple(printable(path.relative_to(self.folder)) for path in paths)


def _suggest(bundle: Bundle, folder: Path) -> str:
    """Return a folder of enough held-out photos beside one of training photos; empty without."""
    for path in (folder.absolute().parent / name for name in HELD_OUT_FOLDERS):
        photos = list_photos(path) if path.is_dir() else []
        if len(photos) - len(find_trained(bundle, photos) or ()) >= MIN_PHOTOS:
            return f", such as those in {path}"
    return ""


def list_ood_photos(folders: Mapping[str, Path]) -> dict[str, list[Path]]:
    """List the photos in folders of OOD photos, by the name of their set.

    Raises:
        DataError: one isn't a folder, or has fewer than fifty photos.
    """
    photos: dict[str, list[Path]] = {}
    for name, folder in folders.items():
        if not folder.is_dir():
            raise DataError(f"{folder} isn't a folder. Use --unknown FOLDER or NAME=FOLDER.")
        photos[name] = list_photos(folder)
        if len(photos[name]) < MIN_PHOTOS:
            raise DataError(
                f"{folder} has {len(photos[name])} unknown photos, which isn't enough. Use at "
                f"least {MIN_PHOTOS}, preferably 200."
            )
    return photos
