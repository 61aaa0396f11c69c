"""The photos of a calibration: held-out ones in a folder per label, and photos of no label."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ..bundle import Bundle
from ..errors import DataError
from ..evaluation.labelled_folders import labelled_photos
from ..evaluation.tables import require_single_label
from ..storage.photo_files import list_photos, printable
from ..text import list_some
from .graph_outputs import MIN_PHOTOS, CalibrationOutputs, GraphOutputs, Run, run_photos

StageUpdate = Callable[[str, int, int], None]
"""Called with the stage, the number of photos done, and their total."""


@dataclass(frozen=True)
class CalibrationPhotos:
    """The photos by which a bundle is calibrated.

    ``labels`` are the true labels of held-out photos in ``folder``, ``unmatched`` the names of
    folders that match no label, ``ood`` the OOD photos by the name of their set.
    """

    bundle: Bundle
    folder: Path
    labels: dict[Path, str]
    unmatched: list[str]
    ood: dict[str, list[Path]]

    @classmethod
    def find(
        cls, bundle: Bundle, folder: Path, unknown: Sequence[Path] = ()
    ) -> "CalibrationPhotos":
        """Find the photos in ``folder``, one folder per label, and in the folders ``unknown``.

        Raises:
            DataError: the folders, their names, the number of photos or the model do not fit.
        """
        require_single_label(bundle.manifest.multilabel)
        photos, unmatched = labelled_photos(folder, bundle.labels)
        return cls(bundle, folder, dict(photos), unmatched, list_ood_photos(unknown))

    def run(self, run: Run, progress: StageUpdate) -> tuple[CalibrationOutputs, tuple[str, ...]]:
        """Return a graph's outputs for all photos, and notes on what was skipped.

        Raises:
            DataError: too few photos can be used, or those of one label only.
        """

        def run_stage(stage: str, paths: Sequence[Path]) -> tuple[GraphOutputs, list[Path]]:
            return run_photos(run, paths, self.bundle.manifest.recipe, partial(progress, stage))

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
        notes = _notes(self.unmatched, self._names(left_out))
        return CalibrationOutputs(held_out, ood_sets), notes

    def _names(self, paths: Sequence[Path]) -> tuple[str, ...]:
        return tuple(printable(path.relative_to(self.folder)) for path in paths)


def _notes(folders: Sequence[str], photos: Sequence[str]) -> tuple[str, ...]:
    """Return lines for the card about folders and photos that were skipped."""
    skipped = {
        "Skipped folders (no label with that name)": folders,
        "Skipped photos (unreadable, or copies of another one)": photos,
    }
    return tuple(
        f"{reason}: {len(names):,} ({list_some(names, 5)})"[:300]
        for reason, names in skipped.items()
        if names
    )


def list_ood_photos(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """List the photos in folders of OOD photos, by the folder's name.

    Raises:
        DataError: two folders have the same name, or one has fewer than fifty photos.
    """
    photos: dict[str, list[Path]] = {}
    for folder in folders:
        name = printable(Path(folder.absolute().name))
        if name in photos:
            raise DataError(f"Two folders of unknown photos have the name {name!r}. Rename one.")
        photos[name] = list_photos(folder)
        if len(photos[name]) < MIN_PHOTOS:
            raise DataError(
                f"{folder} has {len(photos[name])} unknown photos, which isn't enough. Use at "
                f"least {MIN_PHOTOS}, better 200."
            )
    return photos
