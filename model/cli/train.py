"""``train``: a folder of photos becomes a model."""

import shlex
import sys
from pathlib import Path

import click

from ..bundle import BUILTIN_DIR, MANIFEST, Bundle, Manifest, ModelCard
from ..errors import EngineUnavailable
from .progress import StageProgress, progress_bar

__all__ = ["summary", "told", "train_command", "typed", "warn_if_shadowing"]


@click.command("train")
@click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--name", required=True, help="The model's name, for links and commands.")
@click.option("--arch", help="lite0, lite1, lite2, or a name of timm or torchvision.  [lite0]")
@click.option("--size", "side", type=int, help="Pixels a side that it sees; by default its own.")
@click.option("--epochs", type=int, help="Epochs of fine-tuning, at most.  [8]")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Time for all of it; by default as long as it takes.",
)
@click.option("--search", type=float, help="Minutes of looking for better settings first (Optuna).")
@click.option("--seed", type=int, help="Of the split and the training.  [0]")
@click.option(
    "--unknown",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of photos of none of the labels, to measure 'none of these' with. Repeatable.",
)
@click.option("--title", help="What people read; by default the name as words.")
@click.option("--description", help="One or two sentences for the card.")
@click.option("--licence", help="The photos' and the model's licence.")
@click.option("--source", help="Where the photos are from.")
@click.option(
    "--to",
    "shelf",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to put it in; by default the data folder's models.",
)
@click.option("--resume", is_flag=True, help="Go on with an unfinished training of that name.")
def train_command(folder: Path | None, name: str, resume: bool, **options: object) -> None:
    """Train a model on FOLDER, which holds one folder of photos a label.

    Folders train and validation (and test) inside it are followed. Ctrl-C ends it; what
    was done is kept, and --resume goes on.
    """
    given = {key: value for key, value in options.items() if value not in (None, ())}
    if folder is None and not resume:
        raise click.UsageError("Name the FOLDER with the photos, or --resume.")
    if resume and (folder or given.keys() - {"minutes"}):
        raise click.UsageError("--resume goes on as it began: beside --name it takes --minutes.")
    try:
        from ..training.config import TrainingConfig
        from ..training.progress import TrainingProgress
        from ..training.train import train, unfinished
    except ImportError as error:
        raise EngineUnavailable(
            f"Training needs {error.name}, not installed here: pip install -r requirements.txt"
        ) from error
    if resume:
        kept = TrainingConfig.kept(unfinished(TrainingConfig.of(folder=Path(), name=name).name))
        plan = kept.model_copy(update=given)
    else:
        plan = TrainingConfig.of(folder=folder, name=name, command=typed(), **given)
    with progress_bar() as bar:
        stages = StageProgress(bar)

        def show(step: TrainingProgress) -> None:
            stages.note(step.note)
            stages.update(step.stage, step.done, step.total)

        try:
            bundle = train(plan, resume=resume, watch=show)
        except KeyboardInterrupt:
            bar.stop()
            click.echo(f"Stopped. Go on with: python -m model train --name {name} --resume")
            sys.exit(130)
    told(bundle)


def told(bundle: Bundle) -> None:
    """Say what was made, how good it is, and what it hides."""
    click.echo(f"{bundle.name} {bundle.version} in {bundle.folder}")
    click.echo(summary(bundle.manifest))
    warn_if_shadowing(bundle)


def warn_if_shadowing(bundle: Bundle) -> None:
    """Say that a model stands before one that ships, where it does."""
    ships = BUILTIN_DIR / bundle.name
    if not (ships / MANIFEST).is_file():
        return
    version = Bundle.open(ships).version
    if version != bundle.version:
        click.echo(
            f"It answers instead of the {bundle.name} that ships with Loupe. Back to that one: "
            f"python -m model rollback {bundle.name} {version}"
        )


def typed() -> str:
    """The command as it was typed."""
    return shlex.join(["python", "-m", "model", *sys.argv[1:]])[:4000]


def summary(manifest: Manifest) -> str:
    """How good a model is and what it does not know, in lines for a person."""
    lines = []
    if metric := manifest.metric("accuracy"):
        lines.append(
            f"right for {metric.value:.1%} of {metric.photos:,} photos "
            f"({metric.low:.1%} to {metric.high:.1%}; {metric.on})"
        )
    before, after = (
        manifest.metric("calibration_error_before"),
        manifest.metric("calibration_error"),
    )
    if before and after:
        lines.append(f"calibration error {after.value:.1%} (before: {before.value:.1%})")
    confidence = manifest.calibration
    if confidence is None:
        return "\n".join([*lines, "not calibrated: it always names something"])
    if confidence.prediction_set and (metric := manifest.metric("coverage")):
        lines.append(
            f"the plausible labels hold the right one for {metric.value:.1%} "
            f"(meant: {confidence.prediction_set.coverage:.0%})"
        )
    return "\n".join([*lines, *(_strangers(manifest.card) if manifest.card else ())])


def _strangers(card: ModelCard) -> list[str]:
    if not card.ood_sets:
        return ["“none of these” was not measured: give --unknown FOLDER"]
    return [
        f"of {one.photos:,} strangers in {one.name}, {one.ood_accept_rate:.1%} are taken for "
        f"known ones (AUROC {one.auroc:.4f}"
        f"{', no better than guessing' if one.near_chance else ''})"
        for one in card.ood_sets
    ]
