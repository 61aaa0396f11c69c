"""The formats in which a model is exported for other programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..bundle import Bundle
from .export_check import CheckPhotos
from .export_folder import write_export
from .export_format import ExportFormat
from .export_text import write_texts

__all__ = ["FORMATS", "Export", "export_model"]

FORMATS = {
    item.name: item
    for item in (
        ExportFormat("onnx", "ONNX", "onnx_format", ("preprocess.py", "answer.py")),
        ExportFormat(
            "tflite", "TensorFlow Lite", "tflite_format", ("preprocess.py", "answer.py"), int8=True
        ),
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


def export_model(
    bundle: Bundle, name: str, folder: Path, photos: Path | None = None, *, int8: bool = False
) -> Export:
    """Write a model in a format into a folder, once its answers are the original's.

    Args:
        bundle: the model.
        name: one of ``FORMATS``.
        folder: absent, empty, or an earlier export, which is replaced.
        photos: a folder with photos to compare on; by default, the sample photos.
        int8: see ``ExportFormat.write``.

    Raises:
        EngineUnavailable, ConversionFailed: see ``ExportFormat.write``.
        FolderExists: the folder holds something else.
        DataError: there is no readable photo.
        OSError: the folder can't be written.
    """
    format_ = FORMATS[name]
    checks: tuple[str, ...] = ()

    def fill(new: Path) -> None:
        nonlocal checks
        written = format_.write(bundle, new, CheckPhotos(photos), int8=int8)
        checks = written.checks
        write_texts(bundle, format_, new, written)

    files = write_export(folder, {bundle.name: bundle.version}, fill)
    return Export(files, checks)
