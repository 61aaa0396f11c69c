"""What a format of export is, and what its module returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from ..bundle import Bundle
from .export_check import CheckPhotos

__all__ = ["ExportFormat", "Written"]


@dataclass(frozen=True, slots=True)
class Written:
    """What a format's module wrote.

    Attributes:
        checks: a sentence for each comparison with the original.
        values: what the format's ``about.md`` names as ``$word``, beside the common ones.
    """

    checks: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)


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
    """

    name: str
    title: str
    module: str
    samples: tuple[str, ...] = ()
    calibrated: bool = True
    int8: bool = False

    def write(self, bundle: Bundle, folder: Path, photos: CheckPhotos, *, int8: bool) -> Written:
        """Write the model's files and compare their answers with the original's.

        Args:
            bundle: the model.
            folder: where the files go.
            photos: to compare on.
            int8: also write a file with 8-bit weights; only for a format that has one.

        Raises:
            EngineUnavailable: a program or package for the format isn't installed.
            ConversionFailed: the format can't hold the network, or the answers differ.
        """
        module = import_module(f"{__package__}.{self.module}")
        write: Callable[..., Written] = module.write
        return write(bundle, folder, photos, **({"int8": True} if int8 else {}))
