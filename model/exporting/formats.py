"""The formats in which models are exported, in one table, and the exports offered for download.

Downloads are zips in the cache, one per version and format; only the owner's command makes them.
"""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..browser.cache import derived_dir, remove_old_versions
from ..bundle import Bundle
from ..storage.disk import make_folder, replace_atomically
from .export_check import CheckPhotos, Written
from .export_folder import ExportFormat, write_export, write_texts

USED_BY_SAMPLES = ("preprocess.py", "answer.py")

FORMATS = {
    row.name: row
    for row in (
        ExportFormat("web", "Page for browsers", is_page=True),
        ExportFormat("onnx", "ONNX", ("onnx/sample.py", *USED_BY_SAMPLES)),
        ExportFormat(
            "tflite", "TensorFlow Lite", ("tflite/sample.py", *USED_BY_SAMPLES), int8=True
        ),
        ExportFormat("coreml", "Core ML", ("coreml/compare.py",), calibrated=False),
        ExportFormat("fastai", "fastai", ("fastai/sample.py",), calibrated=False),
    )
}


@dataclass(frozen=True, slots=True)
class Export:
    """An export: the size of each file in bytes, by path, and the results of the comparisons."""

    files: Mapping[str, int]
    checks: tuple[str, ...]


def export_models(
    bundles: Sequence[Bundle],
    name: str,
    folder: Path,
    photos: Path | None = None,
    *,
    int8: bool = False,
) -> Export:
    """Write an export, all of it or nothing, once its answers are the original's.

    Args:
        bundles: one model; several for a page, where the first opens.
        name: one of ``FORMATS``.
        folder: absent, empty, or an earlier export, which is replaced.
        photos: a folder with photos to compare on; by default, the sample photos.
        int8: also write a file with 8-bit weights; only for a format that has one.

    Raises:
        EngineUnavailable: a program or package for the format isn't installed.
        ConversionFailed: the format can't hold the network, or the answers differ.
        FolderExists: the folder holds something else.
        DataError: no photo is readable.
        OSError: the folder can't be written.
    """
    # Imported on first use: an app lists the formats but writes none.
    from . import writers
    from .web import write_page

    format_, written = FORMATS[name], Written(())

    def fill(new: Path) -> None:
        nonlocal written
        if format_.is_page:
            written = write_page(bundles, new)
            return
        write = getattr(writers, f"write_{name.replace('-', '_')}")
        (bundle,) = bundles
        written = write(bundle, new, CheckPhotos(photos), **({"int8": True} if int8 else {}))
        write_texts(bundle, format_, new, written)

    versions = {bundle.name: bundle.version for bundle in bundles}
    return Export(write_export(folder, versions, fill), written.checks)


def find_downloads(bundle: Bundle) -> dict[str, Path]:
    """Return the zips of a bundle's exports by format, in the order of ``FORMATS``."""
    folder = _folder(bundle)
    paths = {name: folder / f"{bundle.name}-{name}.zip" for name in FORMATS}
    return {name: path for name, path in paths.items() if path.is_file()}


def keep_download(bundle: Bundle, name: str, folder: Path, files: Iterable[str]) -> Path:
    """Keep an export as a download, in place of an earlier one; remove those of old versions.

    Raises:
        OSError: the data folder can't be written.
    """
    target = _folder(bundle)
    make_folder(target)
    path = target / f"{bundle.name}-{name}.zip"
    with (
        replace_atomically(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for file in files:
            archive.write(folder / file, f"{bundle.name}-{name}/{file}")
    remove_old_versions(target)
    return path


def _folder(bundle: Bundle) -> Path:
    return derived_dir() / "exports" / bundle.name / bundle.version
