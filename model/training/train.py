"""A folder of photos → a trained, measured model on the shelf."""

import platform
import shutil
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..bundle import Bundle, publish
from ..calibration import CalibrationResult, GraphOutputs, calibrate, write_calibration
from ..calibration.apply import proportion_metric
from ..calibration.calibrate_folder import list_ood_photos
from ..calibration.graph_outputs import run_graph
from ..errors import DataError, EngineUnavailable
from ..preprocess import Pixels, PreprocessConfig
from ..settings import settings
from .backbones import Backbone, backbone
from .config import PLAN, Hyperparameters, TrainingConfig
from .finetune import FineTuneResult
from .onnx_export import export_onnx, manifest_of
from .probe import Probe
from .progress import TrainingProgress, Watch, quiet
from .stages import PreparedData, draft, learner_with_head, material, pixels_of, probe, tune

__all__ = ["train", "unfinished"]

PACKAGES = ("torch", "fastai", "timm", "torchvision", "onnx", "scikit-learn")
LOCK = ".lock"
RESERVE = 45.0
"""Seconds kept for what comes after fine-tuning, beside a look at every photo."""


def unfinished(name: str) -> Path:
    """Where a training of that name keeps what going on needs."""
    return settings().data / "training" / name


def train(plan: TrainingConfig, *, resume: bool = False, watch: Watch = quiet) -> Bundle:
    """Train by a plan; the result stands on the shelf, measured.

    Args:
        plan: what to do. With ``resume`` the unfinished training's own counts.
        resume: go on with an unfinished training of that name.
        watch: told how far it is, in this thread. What it raises ends the training,
            which can then be gone on with.

    Raises:
        DataError: the photos, the name of the network, or an unfinished training.
        EngineUnavailable: published weights are not to be had.
    """
    state = unfinished(plan.name)
    state.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(state / LOCK, timeout=0):
            plan = _begun(plan, state, resume)
            bundle = _trained(plan, state, resume, watch)
    except Timeout:
        raise DataError(f"Another process is training {plan.name!r} now. Wait for it.") from None
    shutil.rmtree(state, ignore_errors=True)
    return bundle


def _begun(plan: TrainingConfig, state: Path, resume: bool) -> TrainingConfig:
    if resume:
        # Only the time may be another one: the rest decides what was kept.
        kept = TrainingConfig.kept(state)
        return kept if plan.minutes is None else kept.model_copy(update={"minutes": plan.minutes})
    if (state / PLAN).exists():
        raise DataError(
            f"An unfinished training of {plan.name!r} is there. Add --resume to go on with it, or "
            f"delete {state} to begin anew."
        )
    _clear(state)
    backbone(plan.arch)
    plan.keep(state)
    return plan


def _clear(state: Path) -> None:
    """Nothing of another training counts for this one."""
    for path in state.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _trained(plan: TrainingConfig, state: Path, resume: bool, watch: Watch) -> Bundle:
    began = time.monotonic()
    chosen = backbone(plan.arch)
    try:
        strangers = list_ood_photos(plan.unknown)
        photos = material(plan, chosen, state, watch)
        values = draft(plan, chosen, photos.split)
        head = probe(values, chosen, photos, state, watch)
    except (DataError, EngineUnavailable):
        if not resume:
            # Nothing is begun yet: the command can be typed again, corrected.
            (state / PLAN).unlink(missing_ok=True)
        raise
    looked = time.monotonic() - began
    hyper = Hyperparameters.kept(state)
    if hyper is None and plan.search:
        from .search import search

        hyper = search(plan, values, chosen, photos, state, watch)
        hyper.keep(state)
    hyper = hyper or Hyperparameters()
    deadline = None
    if plan.minutes is not None:
        whole = plan.minutes * 60
        deadline = began + whole - min(RESERVE, whole / 4) - looked / 2
    tuned = tune(plan, values, chosen, photos, head, hyper, state, deadline, watch)
    return _finished(plan, values, chosen, photos, strangers, head, hyper, tuned, state, watch)


def _finished(
    plan: TrainingConfig,
    values: dict[str, Any],
    chosen: Backbone,
    photos: PreparedData,
    strangers: dict[str, list[Path]],
    head: Probe,
    hyper: Hyperparameters,
    tuned: FineTuneResult | None,
    state: Path,
    watch: Watch,
) -> Bundle:
    learner = learner_with_head(values, chosen, photos, head, hyper, state)
    notes = _notes(photos, head, tuned)
    if tuned is None:
        why = "No time was left for an epoch" if plan.epochs else "Nothing was fine-tuned"
        watch(TrainingProgress("Finishing", note=f"{why}: the linear head is kept."))
    elif tuned.accuracy < head.accuracy - 1e-6:
        watch(
            TrainingProgress(
                "Finishing", note="Fine-tuning made it no better: the linear head is kept."
            )
        )
    else:
        learner.model.load_state_dict(tuned.state)
    learner.model.eval().cpu()
    count = sum(parameter.numel() for parameter in learner.model.parameters())
    values["architecture"]["parameters"] = count
    values["made"] = {
        "command": (plan.command or "model.training.train")[:200],
        "seed": str(plan.seed),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }

    def fill(folder: Path) -> None:
        watch(TrainingProgress("Finishing", note="Compiling"))
        export_onnx(learner, manifest_of(values), folder)
        trust = _trust(plan, photos, strangers, folder / "graph.onnx", watch)
        on = f"held out, {photos.split.how}"[:200]
        chosen_by = "measured by Loupe; these photos chose the epoch, too"
        if trust is None:
            known = run_graph(folder / "graph.onnx", photos.held_out, photos.held_out_targets)
            values["metrics"] = [_accuracy(known, on, chosen_by)]
        else:
            command = plan.command or "model.training.train"
            write_calibration(
                values,
                folder,
                trust,
                on=on,
                by=chosen_by,
                command=command,
                seed=plan.seed,
                notes=notes,
            )
        if photos.split.test:
            values["metrics"].insert(0, _tested(photos, folder / "graph.onnx", watch))

    return publish(values, plan.shelf or settings().data / "models", fill)


def _trust(
    plan: TrainingConfig,
    photos: PreparedData,
    folders: dict[str, list[Path]],
    graph: Path,
    watch: Watch,
) -> CalibrationResult | None:
    """Calibrate on the held-out photos; None where they are too few for that."""
    names = tuple(one.name for one in photos.split.held_out)
    known = run_graph(graph, photos.held_out, photos.held_out_targets, names)
    seen = run_graph(graph, photos.seen(), photos.targets)
    strangers = {}
    for name, paths in folders.items():
        try:
            strangers[name] = run_graph(graph, _far(paths, photos.recipe, watch))
        except DataError as error:
            watch(TrainingProgress("Unknown photos", note=f"{name}: {error}"))
    watch(TrainingProgress("Finishing", note="Calibrating"))
    try:
        return calibrate(known, seen, strangers, seed=plan.seed)
    except DataError as error:
        watch(TrainingProgress("Finishing", note=f"Not calibrated: {error}"))
        return None


def _far(paths: list[Path], recipe: PreprocessConfig, watch: Watch) -> Iterator[Pixels]:
    return pixels_of(paths, recipe, "Unknown photos", watch, all_of_them=False)


def _tested(photos: PreparedData, graph: Path, watch: Watch) -> dict[str, Any]:
    """The accuracy on photos that nothing was chosen with."""
    test = photos.split.test
    place = {label: index for index, label in enumerate(photos.split.labels)}
    pixels = pixels_of([one.path for one in test], photos.recipe, "Test photos", watch)
    found = run_graph(graph, pixels, [place[one.label] for one in test])
    return _accuracy(found, "the test folder", "measured by Loupe, once")


def _accuracy(found: GraphOutputs, on: str, by: str) -> dict[str, Any]:
    right = int((found.logits.argmax(axis=1) == found.targets).sum())
    return proportion_metric("accuracy", right, len(found), on, by)


def _notes(photos: PreparedData, head: Probe, tuned: FineTuneResult | None) -> tuple[str, ...]:
    lines = [f"A linear head on published features: {head.accuracy:.1%} of the held-out photos."]
    if tuned:
        lines.append(
            f"Fine-tuned for {tuned.epochs} epochs at most (learning rate {tuned.lr:.1e}); the "
            f"average after epoch {tuned.epoch + 1} is kept. The held-out photos chose it."
        )
    lines += [f"{one.what}: {len(one.which):,}." for one in photos.report.findings]
    return tuple(line[:300] for line in lines)
