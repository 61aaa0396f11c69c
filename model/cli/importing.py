"""``import``: turn a fastai export, weights alone or a ``.loupe`` file into a model."""

from collections.abc import Callable
from pathlib import Path

import click

from ..bundle import Bundle
from ..errors import DataError
from ..evaluation.choose_samples import add_samples
from ..evaluation.labelled_folders import labelled_photos
from ..importing.inspect.weights import OPTIONS, WeightsSettings
from ..loading import default_model
from ..settings import settings
from ..storage.disk import require_writable, translate_disk_errors
from ..text import clean, count_of, list_some
from .error_group import require_full_install
from .options import FOLDER, keep_option
from .progress_bar import StageProgress, progress_bar
from .teach import SUFFIX, import_loupe
from .train import print_summary

MAX_LISTED = 12
"""Most labels that are listed; the others are counted."""


def _weights_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that describe weights alone."""
    for option, takes in reversed(OPTIONS.items()):
        command = click.option(option, default="", help=f"Weights alone: {takes}.")(command)
    return command


@click.command("import")
@click.argument("export", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="The model's name, for links and commands.")
@click.option(
    "--trust",
    is_flag=True,
    help="Run the network's own code if the file needs that, in a process without the secrets in "
    "your environment. It can reach your files.",
)
@click.option(
    "--photos",
    type=FOLDER,
    help="A folder of photos to compare with fastai on; by default the samples.",
)
@click.option(
    "--samples",
    is_flag=True,
    help="Show visitors up to five of the --photos, one per label, to try the model with. The "
    "folder has one folder per label.",
)
@_weights_options
@click.option(
    "--multilabel", is_flag=True, help="Weights alone: several labels per photo (sigmoid)."
)
@click.option(
    "--threshold",
    type=float,
    help="Weights alone: with --multilabel, the lowest probability that shows a label; "
    "default: 0.5.",
)
@click.option("--title", default="", help="The title on screen; default: the name as words.")
@click.option(
    "--licence",
    "--license",
    "licence",
    default="",
    help="The model's licence; by default 'not stated'.",
)
@keep_option
def import_command(
    export: Path,
    name: str,
    trust: bool,
    photos: Path | None,
    samples: bool,
    title: str,
    licence: str,
    keep: bool,
    multilabel: bool,
    threshold: float | None,
    **stated: str,
) -> None:
    """Import EXPORT, a file that learn.export() wrote, or a NAME.loupe that Teach saved.

    Nothing in the file is run: it is read, and its network is built of known layers.

    EXPORT may also be weights alone (.pth of learn.save() or a state_dict, .safetensors). Then
    --arch, --labels, --size, --method and --normalize say what the file doesn't.
    """
    if export.suffix.lower() == SUFFIX:
        if any((trust, photos, samples, multilabel, threshold, *stated.values())):
            raise click.UsageError("A .loupe file takes only --name, --title, --licence, --keep.")
        import_loupe(export, name, title, licence, keep=keep)
        return
    with require_full_install("Importing"):
        from ..importing.convert.importer import STAGES, import_export
    weights = WeightsSettings.from_options(
        {f"--{option}": value for option, value in stated.items()},
        multilabel=multilabel,
        threshold=threshold,
    )
    if samples and photos is None:
        raise click.UsageError("--samples takes them from the --photos. Name their folder.")
    models_dir, first = settings().data / "models", default_model()
    require_writable(models_dir)
    with translate_disk_errors(models_dir), progress_bar() as bar:
        stages = StageProgress(bar, f"{{}}/{len(STAGES)}")
        imported = import_export(
            export,
            name,
            trust=trust,
            title=title,
            licence=licence,
            photos=photos,
            weights=weights,
            progress=stages,
        )
        if samples and photos:
            stages.note(_add_samples(imported.bundle, photos))
    if trust and not imported.report.needs_trust:
        stages.note("--trust wasn't needed: nothing in the file was run.")
    for finding in imported.report.problems:
        if not finding.fatal:
            stages.note(f"Note: {finding.message}")
    if imported.skipped:
        stages.note(
            f"{imported.skipped} photos weren't compared: they are rotated, transparent, or in a "
            "format that fastai can't open."
        )
    manifest = imported.bundle.manifest
    labels = list_some([clean(label) for label in manifest.labels], MAX_LISTED)
    details = [
        f"{count_of(len(manifest.labels), 'label')}: {labels}",
        f"engines: {', '.join(manifest.engines)}",
    ]
    if manifest.threshold is not None:
        details.append(f"labels are shown if their probability is {manifest.threshold:g} or more")
    print_summary(imported.bundle, first, *details, keep=keep)


def _add_samples(bundle: Bundle, folder: Path) -> str:
    """Show photos of a folder as samples; if that fails, the model stays imported."""
    try:
        photos, _ = labelled_photos(folder, bundle.labels)
    except DataError as error:
        return f"No samples: {error}"
    return add_samples(bundle, photos)
