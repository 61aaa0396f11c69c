"""The report on the problems of a set's photos, made before anything is trained."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ..calibration.fit import FOLDS, probabilities, split_folds
from ..errors import DataError
from ..events import Progress
from ..storage.disk import make_folder, replace_atomically
from ..storage.labelled_photos import LabelledPhoto
from .config import CONFIG_FILE, TrainingConfig
from .photo_sets import CHANGES, REPORT, read_changes, sidecar_file
from .run_record import CHECK, RunRecord, RunRecorder
from .training_job import get_run_dir, training_lock

if TYPE_CHECKING:
    from .data_report import DataReport

DOUBTFUL = "Photos that look like another label"
MAX_DOUBTFUL = 200


class ReportedPhoto(BaseModel):
    """A photo, and the label that its features suggest, or ""."""

    name: str
    suggested: str = ""


class ReportedProblem(BaseModel):
    """One kind of problem; ``details`` names labels or folders if no photo has the problem."""

    code: str
    title: str
    photos: list[ReportedPhoto] = []
    details: list[str] = []


class PhotoReport(BaseModel):
    """Problems, the worst first; ``note`` says why wrong labels were not looked for.

    ``photos`` is the number of photos, and ``changes`` are the owner's at the time.
    """

    photos: int
    problems: list[ReportedProblem]
    changes: dict[str, str | None] = {}
    note: str = ""


def load_report(photo_set: str) -> PhotoReport | None:
    """Return the last report on a photo set, None if there is none."""
    try:
        return PhotoReport.model_validate_json(sidecar_file(photo_set, REPORT).read_bytes())
    except (OSError, ValueError):
        return None


def check_photos(config: TrainingConfig, progress: Progress) -> PhotoReport:
    """Check the photos of a set and write the report; training reuses the computed features.

    Raises:
        DataError: there are too few labels, or another training is running or unfinished.
    """
    run_dir = get_run_dir(config.name)
    with training_lock(config.name):
        if (run_dir / CONFIG_FILE).exists():
            raise DataError("There is an unfinished run. Continue or discard it first.")
        make_folder(run_dir)
        record = RunRecord(
            number=CHECK,
            model=config.name,
            photo_set=config.photo_set,
            started=datetime.now(UTC),
        )
        make_folder(record.folder)
        with RunRecorder(record, progress) as recorder:
            recorder.update("Starting", 0, 0)
            # Imported after the lock is taken, since importing torch takes seconds.
            from .backbones import get_backbone
            from .prepare import FINGERPRINT_FILE, find_training_photos, scan_dataset
            from .training_run import TrainingRun

            (run_dir / FINGERPRINT_FILE).unlink(missing_ok=True)
            changes = read_changes(sidecar_file(config.photo_set, CHANGES))
            dataset = find_training_photos(config)
            recipe = get_backbone(config.arch).preprocess_config(config.image_size)
            _, report = scan_dataset(dataset, recipe, run_dir, recorder)
            names = {photo.name for photo in dataset.photos}
            problems, note = _list_problems(report, names), ""
            try:
                run = TrainingRun.prepare(config, run_dir, recorder)
                run.compute_features()
                photos = (*run.data.split.train, *run.data.split.held_out)
                targets = np.array([*run.data.targets, *run.data.held_out_targets])
                groups = np.array([run.data.report.groups[photo.name] for photo in photos])
                features = np.concatenate(run.load_features())
                doubtful = find_doubtful_labels(features, targets, groups, config.seed)
                problems.insert(0, _describe_doubts(photos, run.data.split.labels, doubtful))
            except DataError as error:
                note = str(error)
            result = PhotoReport(
                photos=len(dataset.photos),
                problems=[one for one in problems if one.photos or one.details],
                changes=changes,
                note=note,
            )
            record.state = "done"
        file = sidecar_file(config.photo_set, REPORT)
        make_folder(file.parent)
        with replace_atomically(file) as temporary:
            temporary.write_text(result.model_dump_json(), encoding="utf-8")
        return result


def find_doubtful_labels(
    features: NDArray[np.float32],
    targets: NDArray[np.intp],
    groups: NDArray[np.intp],
    seed: int = 0,
) -> list[tuple[int, int]]:
    """Return photos whose features suggest another label, and that label; most doubtful first.

    Args:
        features: float32 [N, D].
        targets: indices of the labels, intp [N].
        groups: numbers of the groups of near duplicates, intp [N]; a group stays in one fold.

    Source: confident learning (Northcutt, Jiang, Chuang, Confident Learning: Estimating Uncertainty
    in Dataset Labels, 2021): a label counts if its probability is at least its mean over the
    photos with that label, all out of fold; ranked by self-confidence.
    """
    from .probe import fit_probe

    count = int(targets.max()) + 1
    if min(int(np.bincount(targets).max()), len(np.unique(groups))) < FOLDS:
        return []
    shares = np.zeros((len(targets), count))
    for inside, outside in split_folds(targets, groups, seed):
        if len(np.unique(targets[inside])) < count:
            return []  # the photos of a label are all near duplicates
        head = fit_probe(features[inside], targets[inside])
        shares[outside] = probabilities(head.logits(features[outside]), 1.0)
    own = shares[np.arange(len(targets)), targets]
    means = np.array([own[targets == label].mean() for label in range(count)])
    confident = np.where(shares >= means, shares, 0)
    other = confident.argmax(axis=1)
    is_doubtful = (other != targets) & (confident.max(axis=1) > 0)
    places = np.flatnonzero(is_doubtful)
    ranked = places[np.argsort(own[places])][:MAX_DOUBTFUL]
    return [(int(place), int(other[place])) for place in ranked]


def _describe_doubts(
    photos: Sequence[LabelledPhoto], labels: Sequence[str], doubtful: list[tuple[int, int]]
) -> ReportedProblem:
    found = [
        ReportedPhoto(name=photos[place].name, suggested=labels[other]) for place, other in doubtful
    ]
    return ReportedProblem(code="doubtful", title=DOUBTFUL, photos=found)


def _list_problems(report: "DataReport", known: set[str]) -> list[ReportedProblem]:
    """Return the findings; those of duplicates have all photos of their groups."""
    problems = []
    for finding in report.findings:
        names = [name for words in finding.names for name in words.split(" = ") if name in known]
        if finding.code in ("both", "near", "same"):
            groups = {report.groups[name] for name in names}
            alike = [name for name, group in report.groups.items() if group in groups]
            names = sorted(alike, key=lambda name: (report.groups[name], name))
        photos = [ReportedPhoto(name=name) for name in names]
        details = [] if photos else list(finding.names)
        problem = ReportedProblem(
            code=finding.code, title=finding.description, photos=photos, details=details
        )
        problems.append(problem)
    return problems
