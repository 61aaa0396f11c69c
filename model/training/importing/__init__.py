"""A fastai export → a bundle. Its code runs in a process of its own, and only if asked to."""

import hashlib
import io
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from ...bundle import NAME_RULE, Bundle, ManifestDraft, Name, publish, title_from_name
from ...classifier import Classifier
from ...engines.compiled import OnnxEngine
from ...errors import EngineUnavailable, ExportRefused
from ...exports import Export, examine
from ...settings import settings
from . import sandbox
from .comparing import Compared, Photos, compare, gather
from .found import FOUND, Found
from .refusals import ended, refused

__all__ = ["LIMIT", "Imported", "import_export"]

LIMIT = 900.0
"""Seconds that the process may take."""

WORDS = {
    "compiling": "Compiling…",
    "comparing": "Asking fastai for its own answers…",
}


@dataclass(frozen=True)
class Imported:
    """A bundle on the shelf, what stands in for missing parts, and how it compared."""

    bundle: Bundle
    stubs: tuple[str, ...]
    compared: Compared
    left_out: int


def import_export(
    path: Path,
    name: str,
    *,
    title: str = "",
    licence: str = "",
    photos: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
    seconds: float = LIMIT,
) -> Imported:
    """Turn ``learn.export()``'s file into a bundle in the data folder. Runs the file's code.

    Args:
        path: the export.
        name: the model's name.
        title: what people read; by default the name.
        licence: the model's, as the owner states it.
        photos: a folder of photos to compare on; by default the samples.
        say: told in plain words what is going on.
        seconds: that loading, compiling and comparing may take.

    Raises:
        ExportRefused: it is no vision classifier, cannot be loaded or compiled here, or
            would answer differently. Whatever stood on the shelf is still there.
        EngineUnavailable: torch and fastai are not installed.
        BundleError: what came out does not pass its own check.
    """
    _check_name(name)
    say(f"Reading {path.name} without running it…")
    examined = examine(path)
    check_examined(examined)
    if missing := [package for package in ("torch", "fastai") if find_spec(package) is None]:
        raise EngineUnavailable(
            f"Importing needs {', '.join(missing)}, not installed here: "
            "pip install -r requirements.txt"
        )
    with sandbox.workroom() as room:
        chosen = gather(photos, room / "photos")
        task = {
            "export": str(path.resolve()),
            "photos": [file.name for file in chosen.files],
        }
        status = sandbox.run(room, task, seconds, network=_told(say), stage=_staged(say))
        found = _found(room, status, examined)
        stated: dict[str, Any] = {
            "title": title or title_from_name(name),
            "licence": licence or "not stated",
            "data": {
                "title": path.stem[:200] or "not stated",
                "source": "not stated",
                "licence": "not stated",
            },
        }
        values = found.values(name, **stated)
        values["made"]["export"] = f"sha256:{_hash(path)}"
        return _placed(room, values, found, chosen, say)


def check_examined(examined: Export) -> None:
    """Refuse what reading alone shows to be no vision learner.

    Raises:
        ExportRefused: with all that was found.
    """
    fatal = [problem.message for problem in examined.problems if problem.fatal]
    if examined.kind not in ("vision", "unknown"):
        fatal.insert(0, f"It is a {examined.kind} learner, and Loupe takes vision learners.")
    if fatal:
        raise ExportRefused(" ".join(fatal))


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        raise ExportRefused(f"{name!r} cannot be a model's name. {NAME_RULE}") from None


def _told(say: Callable[[str], None]) -> Callable[[bool], None]:
    def network(away: bool) -> None:
        say(
            "Loading it in a process of its own (no network, none of your secrets)…"
            if away
            else "Loading it in a process of its own (none of your secrets; but this system cannot "
            "take its network away, so that the file's code can reach it)…"
        )

    return network


def _staged(say: Callable[[str], None]) -> Callable[[str], None]:
    def stage(name: str) -> None:
        # Only words of our own: the export's code may write anything there.
        if name in WORDS:
            say(WORDS[name])

    return stage


def _found(room: Path, status: int, examined: Export) -> Found:
    """What the child found out, or its refusal."""
    out = room / "out"
    if status == 0:
        try:
            return Found.model_validate_json(_read(out / FOUND, 2**24))
        except (OSError, ValidationError) as error:
            raise ExportRefused(f"Its process told nothing that makes sense: {error}") from None
    try:
        raise refused(_read(out / sandbox.REFUSAL, 2**16), examined.inferred)
    except OSError:
        raise ended(status, examined.inferred) from None


def _placed(
    room: Path, values: dict[str, Any], found: Found, photos: Photos, say: Callable[[str], None]
) -> Imported:
    """Make the bundle in the workroom, hold it to fastai's answers, then put it on the shelf."""
    out = room / "out"
    names = ["graph.onnx", "golden.npz", *(["weights.safetensors"] if found.learner else [])]

    def fill(folder: Path) -> None:
        for name in names:
            _copy(out / name, folder / name)

    try:
        draft = ManifestDraft.model_validate(values)
        classifier = Classifier(trial := publish(draft, room / "shelf", fill), OnnxEngine(trial))
        classifier.run_golden_test()
    except (OSError, ValidationError) as error:
        raise ExportRefused(f"What came out is no bundle: {error}") from None
    compared = compare(classifier, photos, _answers(out))
    if not compared.close:
        say(
            "Large JPEGs decoded at a smaller scale move a probability by up to "
            f"{compared.difference:.0e}, so this model decodes them in full, which takes longer."
        )
        recipe = draft.recipe.model_copy(update={"decoding": "whole"})
        draft = draft.model_copy(update={"recipe": recipe})
        trial = publish(draft, room / "shelf", fill)
        compared = compare(Classifier(trial, OnnxEngine(trial)), photos, _answers(out))
    if not compared.close:
        raise ExportRefused("From a photo's bytes Loupe would answer differently from fastai.")
    say(
        f"Compared {compared.photos} photos through fastai and through Loupe: at most "
        f"{compared.difference:.0e} apart."
    )
    bundle = publish(draft, settings().data / "models", fill)
    return Imported(bundle, found.stubs, compared, photos.left_out)


def _answers(out: Path) -> NDArray[np.float32]:
    try:
        data = io.BytesIO(_read(out / sandbox.ANSWERS, 2**28))
        with np.load(data, allow_pickle=False) as arrays:
            return np.asarray(arrays["probabilities"], dtype=np.float32)
    except Exception as error:  # zipfile, zlib and NumPy each raise their own
        raise ExportRefused(f"Its own answers cannot be read: {error}") from error


def _open(path: Path) -> int:
    """A file of the child's, opened as a plain file: it may have put a link or a pipe there."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path.name} is no plain file")
    return handle


def _read(path: Path, most: int) -> bytes:
    with os.fdopen(_open(path), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(f"{path.name} is larger than it can be")
    return data


def _copy(path: Path, to: Path) -> None:
    with os.fdopen(_open(path), "rb") as source, to.open("xb") as target:
        shutil.copyfileobj(source, target, 2**20)
