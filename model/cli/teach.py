"""``teach``: make a model from a few photos of each label, in seconds and without torch."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..bundle import DEFAULT_MODEL, check_name, title_from_name
from ..loading import default_model
from ..settings import settings
from ..storage.disk import require_writable, translate_disk_errors
from ..text import list_some
from .terminal import FILE, FOLDER, keep_option, models_dir_option, require_full_install
from .train import print_summary

if TYPE_CHECKING:
    from ..teaching.loupe_file import LoupeManifest

SUFFIX = ".loupe"
PACKAGES = "scikit-learn safetensors"


@click.command("teach")
@click.argument("folder", type=FOLDER)
@click.option("--name", required=True, help="The model's name, for links and commands.")
@click.option(
    "--base", default=DEFAULT_MODEL, show_default=True, help="The model whose features are used."
)
@click.option("--title", default="", help="The title on screen; default: the name as words.")
@click.option("--licence", "--license", default="", help="The model's licence.")
@click.option("--save", type=FILE, help="Also write a NAME.loupe, for phones.")
@models_dir_option
@keep_option
def teach_command(
    folder: Path,
    name: str,
    base: str,
    title: str,
    licence: str,
    save: Path | None,
    models_dir: Path | None,
    keep: bool,
) -> None:
    """Teach a model from FOLDER, which holds one folder of a few photos per label.

    A folder inside a label's is one group: photos of one recording, or of one thing in one place.
    """
    check_name(name)
    first, models_dir = default_model(), models_dir or settings().data / "models"
    require_writable(models_dir)
    with require_full_install("Teaching", PACKAGES), translate_disk_errors(models_dir):
        from ..teaching import teach

        taught = teach(folder, base, title=title or title_from_name(name))
        bundle = taught.publish(name, licence=licence, models_dir=models_dir)
    if save:
        taught.save(save)
    for photo, reason in taught.skipped.items():
        click.echo(f"{photo} was left out: {reason}", err=True)
    details = [_describe(taught.manifest)]
    for label, called, count in taught.confusions[:3]:
        details.append(f"{label} called {called}: {count} of the recordings")
    photos = zip(taught.photos, taught.left_out.stands_out, strict=True)
    if odd := ["/".join(path.parts[-2:]) for path, stands_out in photos if stands_out]:
        details.append(f"photos that got another label: {list_some(odd, 5)}")
    print_summary(bundle, first, *details, keep=keep)


def import_loupe(path: Path, name: str, title: str, licence: str, *, keep: bool) -> None:
    """Turn a ``.loupe`` file into a bundle on the base that it names; ``import`` calls it.

    Raises:
        ExportRefused: it is damaged, or the base here has other features.
        DataError, BundleError: the name isn't allowed, or the base can't be opened.
    """
    first, models_dir = default_model(), settings().data / "models"
    require_writable(models_dir)
    with require_full_install("Importing", PACKAGES), translate_disk_errors(models_dir):
        from ..teaching.loupe_file import MAX_BYTES, read_loupe
        from ..teaching.taught_bundle import publish_head

        with path.open("rb") as file:
            manifest, head = read_loupe(file.read(MAX_BYTES + 1))
        bundle = publish_head(manifest, head, name, title=title, licence=licence)
    print_summary(bundle, first, _describe(manifest), keep=keep)


def _describe(manifest: "LoupeManifest") -> str:
    photos, groups = sum(manifest.photos), sum(manifest.groups)
    return f"{len(manifest.labels)} labels, {photos} photos in {groups} recordings"
