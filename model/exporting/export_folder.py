"""An export's folder: written completely or not at all, with a record of its files.

The folder holds the model, its labels, preprocessing config, README and samples. Converters run
in environments of their own, made by ``make converters``, because they need other versions of
Python and of packages than Loupe does.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from ..browser.device_files import calibration_json
from ..browser.runtime import run_program
from ..bundle import Bundle
from ..errors import ConversionFailed, EngineUnavailable, FolderExists
from ..settings import ROOT
from ..storage.disk import hash_file, publish_folder, replace_folder
from .export_check import Written

CONVERTERS_DIR = Path(__file__).parent / "converters"
"""Requirements of each environment, and per format its texts, scripts and sample programs."""

ENVIRONMENTS_DIR = ROOT / "build" / "converters"
"""The environments, one folder each, with the file ``.ready`` once all is installed."""

TIMEOUT_SECONDS = 1800


def find_converter(name: str) -> Path:
    """Return the Python of an environment.

    Raises:
        EngineUnavailable: it isn't installed.
    """
    folder = ENVIRONMENTS_DIR / name
    if not (folder / ".ready").is_file():
        raise EngineUnavailable(
            f"This export needs {name}, which isn't installed. Run: make converters"
        )
    return folder / "bin" / "python"


def run_converter(name: str, arguments: Sequence[str | Path], task: str) -> str:
    """Run Python in an environment; return what it prints.

    ``arguments`` are Python's own, ``task`` is for an error: ``convert the network``.

    Raises:
        EngineUnavailable: the environment isn't installed.
        ConversionFailed: it failed.
    """
    # Isolated: neither the current folder nor PYTHONPATH has modules for it.
    command = [str(find_converter(name)), "-I", *map(str, arguments)]
    failure = f"{name} can't {task}"
    return run_program(command, failure, timeout=TIMEOUT_SECONDS, error=ConversionFailed).stdout


RECORD = "loupe-export.json"
"""The file that lists the files of an export: the SHA-256 of each, by path."""

FORMAT = 1


def write_export(
    folder: Path, models: Mapping[str, str], fill: Callable[[Path], None]
) -> dict[str, int]:
    """Write an export, all of it or nothing; return the size of each file in bytes, by path.

    An earlier export is replaced. Other files beside it, such as ``.git`` or ``CNAME``, are
    kept.

    Args:
        folder: absent, empty, or an earlier export.
        models: the version of each model in it, by name.
        fill: writes the files into an empty folder, its argument.

    Raises:
        FolderExists: the folder holds something else.
        OSError: it can't be written.
    """
    folder = folder.resolve()
    kept = _list_others(folder)
    sizes = dict[str, int]()

    def fill_and_record(new: Path) -> Path:
        fill(new)
        files = {path: hash_file(new / path) for path in list_files(new)}
        write_json(new / RECORD, {"format": FORMAT, "models": dict(models), "files": files})
        sizes.update((path, (new / path).stat().st_size) for path in list_files(new))
        return folder

    def keep_others(new: Path, folder: Path) -> None:
        for other in kept:
            _copy(other, new / other.name)
        replace_folder(new, folder)

    publish_folder(folder.parent, fill_and_record, keep_others)
    return sizes


def list_files(folder: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder, relative to it, sorted."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return an export's record: ``files`` (SHA-256 by path) and ``models`` (version by name).

    None if the folder is no export.
    """
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    is_record = isinstance(record, dict) and isinstance(record.get("files"), dict)
    return record if is_record and record.get("format") == FORMAT else None


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def escape_markdown(text: str) -> str:
    """Return text as one line that Markdown shows unchanged."""
    return re.sub(r"([\\`*_\[\]<>#|~!])", r"\\\1", " ".join(text.split()))


def _list_others(folder: Path) -> list[Path]:
    """Return the entries of a folder that its earlier export didn't make.

    Raises:
        FolderExists: it holds something else than an export.
    """
    if not folder.exists():
        return []
    entries = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    record = read_record(folder)
    if entries and record is None:
        raise FolderExists(
            f"{folder} holds something other than an earlier export. Choose another folder."
        )
    own = {path.split("/")[0] for path in (record or {"files": ()})["files"]} | {RECORD}
    return [path for path in entries if path.name not in own]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


SCORE = ", `novelty` (the OOD score, one per photo; higher is stranger)"
UNKNOWN = (
    " If `novelty` is above `ood_threshold` in `config.json`, the photo shows none of the labels."
)
PRESENT = (
    " Each label whose probability is at least the `threshold` in `config.json`, {}, is present."
)
GREYSCALE = (
    " `sample.py` converts photos to greyscale before it resizes them, as Loupe does. Pixels in "
    "colour are converted by the network itself, after resizing, and answers can differ."
)


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format.

    Attributes:
        name: as in the command and the URL.
        title: on screen and in the README.
        samples: the sample program and the files that it needs, in ``converters``.
        calibrated: its probabilities are calibrated, so the thresholds hold for them.
        int8: it can have a second file with 8-bit weights.
        is_page: a page for browsers, with any number of models, not compared on photos.
    """

    name: str
    title: str
    samples: tuple[str, ...] = ()
    calibrated: bool = True
    int8: bool = False
    is_page: bool = False


def write_texts(bundle: Bundle, format_: ExportFormat, folder: Path, written: Written) -> None:
    """Write the labels, the preprocessing config, the README and the samples of an export."""
    write_json(folder / "config.json", _config(bundle, format_.calibrated))
    (folder / "labels.txt").write_text(label_lines(bundle), encoding="utf-8")
    for sample in format_.samples:
        path = CONVERTERS_DIR / sample
        shutil.copyfile(path, folder / path.name)
    values = {**_common_values(bundle, format_.calibrated), **written.values}
    template = (CONVERTERS_DIR / format_.name / "about.md").read_text("utf-8")
    about = Template(template).substitute(values)
    readme = _readme(bundle, format_.title, about, written.checks)
    (folder / "README.md").write_text(readme, encoding="utf-8")


def label_lines(bundle: Bundle) -> str:
    """Return the labels in order, one per line."""
    return "".join(f"{' '.join(label.split())}\n" for label in bundle.labels)


def _config(bundle: Bundle, calibrated: bool) -> dict[str, Any]:
    """Return ``config.json``, with the keys of ``bundle.json``."""
    manifest = bundle.manifest
    keys = {"name", "title", "description", "language", "multilabel", "labels", "recipe"}
    return {
        **manifest.model_dump(mode="json", include=keys),
        "threshold": manifest.present_from if manifest.multilabel else None,
        "version": bundle.version,
        "calibration": calibration_json(manifest.calibration if calibrated else None),
    }


def _common_values(bundle: Bundle, calibrated: bool) -> dict[str, str]:
    manifest, calibration = bundle.manifest, bundle.manifest.calibration
    height, width = manifest.recipe.size
    has_score = bundle.golden.ood_score is not None
    inside = "normalisation is inside; the model isn't calibrated"
    if calibration:
        part = "calibration" if calibrated else "temperature"
        inside = f"normalisation and {part} are inside"
    can_reject = calibration is not None and calibration.ood_threshold is not None
    return {
        "height": str(height),
        "width": str(width),
        "labels": str(len(bundle.labels)),
        "features": str(manifest.architecture.features),
        "inside": inside,
        "thresholds": ", thresholds" if manifest.is_calibrated else "",
        "novelty": SCORE if has_score else "",
        "unknown": UNKNOWN if can_reject else "",
        "present": PRESENT.format(manifest.present_from) if manifest.multilabel else "",
        "greyscale": GREYSCALE if manifest.recipe.greyscale else "",
    }


def _readme(bundle: Bundle, title: str, about: str, checks: tuple[str, ...]) -> str:
    manifest = bundle.manifest
    results = "".join(f"- {check}\n" for check in checks)
    return (
        f"# {escape_markdown(manifest.title)}: {title}\n\n"
        f"{escape_markdown(manifest.description)}\n\n"
        f"The model `{bundle.name}`, version {bundle.version}, exported by Loupe.\n\n"
        f"{about}\n"
        f"## Checked\n\n{results}\n"
        "## Licence\n\n"
        f"The model: {escape_markdown(manifest.licence)}. Trained on "
        f"{escape_markdown(manifest.data.title)} ({escape_markdown(manifest.data.licence)}). "
        "The sample programs: Apache-2.0.\n\n"
        f"`{RECORD}` lists the SHA-256 of each file.\n"
    )
