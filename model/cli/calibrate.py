"""``calibrate``: what a model's answers are worth, found on photos that it did not learn from."""

from pathlib import Path

import click

from ..bundle import get_bundle
from ..errors import EngineUnavailable
from .progress import StageProgress, progress_bar
from .train import told, typed

__all__ = ["calibrate_command"]


@click.command("calibrate")
@click.argument("name")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--unknown",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of photos of none of the labels. Repeatable.",
)
@click.option(
    "--coverage",
    type=click.FloatRange(0.5, 0.99),
    default=0.9,
    show_default=True,
    help="Share of photos whose plausible labels are to hold the right one.",
)
def calibrate_command(name: str, folder: Path, unknown: tuple[Path, ...], coverage: float) -> None:
    """Calibrate the model NAME on FOLDER, which holds one folder of held-out photos a label.

    The result is a new version of it; the former one stays for a roll-back.
    """
    bundle = get_bundle(name)
    try:
        from ..calibration import calibrate_bundle
    except ImportError as error:
        raise EngineUnavailable(
            f"Calibrating needs {error.name}, not installed here: pip install -r requirements.txt"
        ) from error
    with progress_bar() as bar:
        made, _ = calibrate_bundle(
            bundle,
            folder,
            unknown,
            coverage=coverage,
            command=typed(),
            progress=StageProgress(bar).update,
        )
    for note in made.manifest.card.notes if made.manifest.card else ():
        click.echo(note)
    told(made)
