"""``calibrate``: fit and measure a model's calibration on held-out photos."""

from pathlib import Path

import click

from ..bundle import get_bundle
from ..evaluation.doubts import doubt_of_folders
from ..evaluation.labelled_folders import labelled_photos
from ..loading import default_model
from ..storage.labelled_photos import name_folders
from .error_group import require_full_install
from .options import FOLDER, keep_option, unknown_option
from .progress_bar import StageProgress, progress_bar
from .train import command_line, describe_small_graph, print_summary


@click.command("calibrate")
@click.argument("name")
@click.argument("folder", type=FOLDER)
@unknown_option
@click.option(
    "--coverage",
    type=click.FloatRange(0.5, 0.99),
    default=0.9,
    show_default=True,
    help="Target share of photos whose plausible labels hold the right one.",
)
@keep_option
@click.option(
    "--small",
    is_flag=True,
    help="Fit and measure only the small graph, which runs in browsers; the version stays. FOLDER "
    "holds the photos that the model was calibrated on.",
)
@click.option(
    "--reference",
    type=FOLDER,
    help="With --small: the photos that the model was trained on, if training calibrated it.",
)
def calibrate_command(
    name: str,
    folder: Path,
    unknown: tuple[str, ...],
    coverage: float,
    keep: bool,
    small: bool,
    reference: Path | None,
) -> None:
    """Calibrate the model NAME on FOLDER, which holds one folder of held-out photos per label.

    The result is a new version of the model; the previous one is kept for a rollback.
    """
    if reference and not small:
        raise click.UsageError("--reference is used with --small only.")
    bundle = get_bundle(name)
    with require_full_install("Calibrating"):
        from ..calibration import calibrate_bundle, calibrate_small_graph
    sets, first = name_folders(unknown), default_model()
    with progress_bar() as bar:
        stages, command = StageProgress(bar), command_line(name)
        if small:
            card = calibrate_small_graph(
                bundle, folder, sets, reference=reference, command=command, progress=stages
            )
            click.echo(describe_small_graph(card))
            return
        calibrated = calibrate_bundle(
            bundle, folder, sets, coverage=coverage, command=command, progress=stages
        )
    _, unmatched = labelled_photos(folder, bundle.labels)
    print_summary(calibrated, first, doubt_of_folders(unmatched), keep=keep or bool(unmatched))
