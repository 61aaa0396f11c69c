"""The formats in which models are exported, in one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ..bundle import Bundle
from .export_check import CheckPhotos, Written
from .export_folder import write_export
from .export_text import write_texts

__all__ = ["FORMATS", "Export", "ExportFormat", "export_models"]


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format.

    Attributes:
        name: as in the command and the URL.
        title: on screen and in the README.
        module: the module beside this one whose ``write`` writes the model's files; the texts
            and samples are in ``converters/NAME``.
        samples: files of ``converters`` that its samples need.
        calibrated: its probabilities are calibrated, so the thresholds hold for them.
        int8: it can have a second file with 8-bit weights.
        is_page: it holds several models, and its files are the same for all programs.
    """

    name: str
    title: str
    module: str
    samples: tuple[str, ...] = ()
    calibrated: bool = True
    int8: bool = False
    is_page: bool = False

    def write(
        self, bundles: Sequence[Bundle], folder: Path, photos: CheckPhotos, *, int8: bool
    ) -> tuple[str, ...]:
        """Write all files of an export into an empty folder.

        The module's ``write`` takes the bundle, or all of them for a page, and the same arguments
        as far as the format has them; it returns ``Written``.

        Returns:
            A sentence for each comparison with the original.

        Raises:
            EngineUnavailable: a program or package for the format isn't installed.
            ConversionFailed: the format can't hold the network, or the answers differ.
        """
        write = import_module(f"{__package__}.{self.module}").write
        written: Written
        if self.is_page:
            written = write(bundles, folder)
        else:
            (bundle,) = bundles
            written = write(bundle, folder, photos, **({"int8": True} if int8 else {}))
            write_texts(
                bundle,
                folder,
                written,
                name=self.name,
                title=self.title,
                samples=self.samples,
                calibrated=self.calibrated,
            )
        return written.checks


PYTHON_SAMPLE = ("preprocess.py", "answer.py")

FORMATS = {
    item.name: item
    for item in (
        ExportFormat("web", "Page for browsers", "web", is_page=True),
        ExportFormat("onnx", "ONNX", "onnx_format", PYTHON_SAMPLE),
        ExportFormat("tflite", "TensorFlow Lite", "tflite_format", PYTHON_SAMPLE, int8=True),
        ExportFormat(
            "coreml", "Core ML", "coreml_format", ("coreml/compare.py",), calibrated=False
        ),
        ExportFormat("fastai", "fastai", "fastai_format", calibrated=False),
    )
}


@dataclass(frozen=True, slots=True)
class Export:
    """An export: the size of each file in bytes, by path, and what the comparisons gave."""

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
        EngineUnavailable, ConversionFailed: see ``ExportFormat.write``.
        FolderExists: the folder holds something else.
        DataError: there is no readable photo.
        OSError: the folder can't be written.
    """
    checks: tuple[str, ...] = ()

    def fill(new: Path) -> None:
        nonlocal checks
        checks = FORMATS[name].write(bundles, new, CheckPhotos(photos), int8=int8)

    versions = {bundle.name: bundle.version for bundle in bundles}
    return Export(write_export(folder, versions, fill), checks)
