"""Bundle + engine → answers. Every door comes through here."""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from . import decision
from .admission import admission_queue
from .bundle.bundle import Bundle
from .bundle.registry import Mark, fingerprint, get_bundle
from .engines import Engine, start
from .engines.base import EngineOutput
from .errors import (
    Busy,
    DamagedPhoto,
    GoldenMismatch,
    LoupeError,
    MissingPhoto,
    PhotoTooLarge,
)
from .events import Event, emit, emit_error
from .photo import MAX_BYTES, Photo, read
from .prediction import Milliseconds, Prediction
from .preprocess import Pixels, preprocess
from .resources import trim_memory
from .settings import settings

__all__ = ["Classifier", "Identification", "Source", "load"]

Source = str | Path | bytes | Image.Image | Photo
"""A path, a file's bytes, a PIL image, or a photo that was read already."""

TOLERANCE = 1e-4
"""How far a probability may be from its golden answer."""

NOVELTY_TOLERANCE = 1e-3
"""The same for the novelty, relative where that is more than one."""


@dataclass(frozen=True, slots=True)
class Identification:
    """An answer with what it was given for; ``pixels`` uint8 [height, width, 3]."""

    photo: Photo
    pixels: Pixels
    prediction: Prediction


class Classifier:
    """A bundle run by an engine. Made by ``load``; safe under threads."""

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        self.bundle, self.engine = bundle, engine
        self.milliseconds = float("nan")
        """Median of the engine alone for a photo, known once the golden answers were checked."""

    def identify(self, source: Source, *, patient: bool = False) -> Prediction:
        """Answer for one photo.

        Args:
            source: what to look at.
            patient: wait for a place as long as it takes (for a batch).

        Raises:
            PhotoError: the photo cannot be read.
            Busy: all places are taken and the queue is full.
        """
        return self.identify_detailed(source, patient=patient).prediction

    def identify_detailed(
        self, source: Source, *, patient: bool = False, single_thread: bool = False
    ) -> Identification:
        """As ``identify``, with the photo and the pixels that the answer was given for.

        Args:
            source: what to look at.
            patient: see ``identify``.
            single_thread: others come right after this one, so it should take one core.
        """
        try:
            examined = self._examine(source, patient, single_thread)
        except LoupeError as error:
            emit_error(error, self.bundle.name, self.engine.name)
            raise
        found = examined.prediction
        assert found.milliseconds is not None  # it was measured just now
        emit(
            Event(
                found.model,
                found.engine,
                seconds=found.milliseconds.total / 1000,
                known=found.known,
            )
        )
        return examined

    def _examine(self, source: Source, patient: bool, single_thread: bool) -> Identification:
        data = read_file(Path(source)) if isinstance(source, str | Path) else source
        with admission_queue().enter(patient=patient):
            began = time.perf_counter()
            photo = self._patient_photo(data) if patient else self.photo(data)
            decoded = time.perf_counter()
            pixels = preprocess(photo.image, self.bundle.manifest.recipe)
            ready = time.perf_counter()
            prediction = self._answer(
                pixels, began, decoded, ready, single_thread=patient or single_thread
            )
            return Identification(photo, pixels, prediction)

    def _patient_photo(self, source: bytes | Image.Image | Photo) -> Photo:
        """As ``photo``, waiting for other large photos as long as it takes."""
        while True:
            # Each try waits for the deadline, so this is no busy loop.
            with suppress(Busy):
                return self.photo(source)

    def photo(self, source: bytes | Image.Image | Photo) -> Photo:
        """Read a photo as large as this model's recipe needs it.

        Raises:
            PhotoError: the photo cannot be read.
        """
        if isinstance(source, Photo):
            return source
        if isinstance(source, Image.Image):
            return Photo.from_image(source)
        return read(source, resize=self.bundle.manifest.recipe.least)

    def answer(self, pixels: Pixels) -> Prediction:
        """Answer for pixels, uint8 [height, width, 3] of the recipe's size.

        Raises:
            Busy: all places are taken and the queue is full.
        """
        with admission_queue().enter():
            now = time.perf_counter()
            return self._answer(pixels, now, now, now)

    def _answer(
        self,
        pixels: Pixels,
        began: float,
        decoded: float,
        ready: float,
        *,
        single_thread: bool = False,
    ) -> Prediction:
        # A photo a core gets more done than all cores on one photo after the other.
        output = self.engine.run(
            pixels[None], single_thread=single_thread or admission_queue().crowded
        )
        done = time.perf_counter()
        times = Milliseconds(
            decode=(decoded - began) * 1000,
            preprocess=(ready - decoded) * 1000,
            engine=(done - ready) * 1000,
            total=(done - began) * 1000,
        )
        return self._prediction(output, times)

    def _prediction(self, output: EngineOutput, times: Milliseconds) -> Prediction:
        manifest = self.bundle.manifest
        probabilities = output.probabilities[0]
        novelty = None if output.novelty is None else float(output.novelty[0])
        prediction = Prediction(
            model=manifest.name,
            version=self.bundle.version,
            engine=self.engine.name,
            labels=manifest.labels,
            probabilities=probabilities,
            milliseconds=times,
            language=manifest.language,
            multilabel=manifest.multilabel,
            calibrated=manifest.confidence is not None,
        )
        return decision.apply_thresholds(prediction, novelty, manifest.confidence)

    def check_golden(self) -> float:
        """Compare the golden answers; returns the largest difference in a probability.

        Raises:
            GoldenMismatch: one differs by more than 1e-4, or another label comes first.
        """
        golden = self.bundle.golden
        worst, times = 0.0, []
        for place, (pixels, wanted) in enumerate(
            zip(golden.pixels, golden.probabilities, strict=True)
        ):
            began = time.perf_counter()
            output = self.engine.run(pixels[None])
            found = output.probabilities[0]
            times.append((time.perf_counter() - began) * 1000)
            if found.shape != wanted.shape:
                raise GoldenMismatch(
                    f"{self.bundle.folder}: the engine {self.engine.name!r} answers for "
                    f"{found.size} labels where the model has {wanted.size}. "
                    "Build or import the model again."
                )
            difference = float(np.abs(found - wanted).max())
            # Written so that NaN is a mismatch, too.
            if not (difference <= TOLERANCE and found.argmax() == wanted.argmax()):
                raise GoldenMismatch(
                    f"{self.bundle.folder}: the engine {self.engine.name!r} does not give the "
                    f"golden answers (a probability differs by {difference:.2g}). Do not trust "
                    "it: build or import the model again on this machine."
                )
            self._check_novelty(output, place)
            worst = max(worst, difference)
        self.milliseconds = float(np.median(times))
        return worst

    def _check_novelty(self, output: EngineOutput, place: int) -> None:
        golden, confidence = self.bundle.golden.novelty, self.bundle.manifest.confidence
        needed = confidence is not None and confidence.novelty is not None
        if golden is None and not needed:
            return
        if golden is None or output.novelty is None:
            raise GoldenMismatch(
                f"{self.bundle.folder}: it has a threshold for what is unknown, but "
                f"{'golden.npz' if golden is None else 'the graph'} has no 'novelty'. "
                "Build or import the model again."
            )
        found, wanted = float(output.novelty[0]), float(golden[place])
        if not abs(found - wanted) <= NOVELTY_TOLERANCE * max(1.0, abs(wanted)):
            raise GoldenMismatch(
                f"{self.bundle.folder}: the engine {self.engine.name!r} says that a golden photo "
                f"has a novelty of {found:.5g} where it is {wanted:.5g}. Build or import the "
                "model again."
            )


def read_file(path: Path) -> bytes:
    """A photo file's bytes.

    Raises:
        MissingPhoto, PhotoTooLarge, DamagedPhoto: it cannot or need not be read.
    """
    try:
        # One byte over the limit is enough to refuse: a device or a pipe may never end.
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise MissingPhoto(f"There is no file {path}. Check its name.") from None
    except OSError as error:
        raise DamagedPhoto(f"{path} cannot be read: {error.strerror}.") from None
    if len(data) > MAX_BYTES:
        raise PhotoTooLarge(
            f"{path} is larger than {MAX_BYTES // 2**20} MB. Send a smaller version of it."
        )
    return data


_lock = threading.Lock()
_loaded: dict[tuple[str, str, str], Classifier] = {}
_marked: dict[tuple[str, str], tuple[Mark, Classifier]] = {}
"""The classifier by name and engine, with what its files looked like: reading a manifest for
each photo takes as long as resizing one."""


def load(name: str | None = None, engine: str | None = None) -> Classifier:
    """The model of that name, ready to answer; loaded once per process.

    Args:
        name: by default the one in the settings.
        engine: ``compiled`` or ``learner``; by default the one in the settings.

    Raises:
        BundleNotFound: there is no such model.
        BundleError: its files are damaged, newer, or its golden answers do not hold.
        EngineUnavailable: the engine's packages are not installed.
    """
    name, engine = name or settings().model, engine or settings().engine
    # Taken before the files are read: what changes in between is found the next time.
    now = fingerprint(name)
    known = _marked.get((name, engine))
    if known and known[0] == now:
        return known[1]
    bundle = get_bundle(name)
    classifier = _ready(bundle, engine)
    _marked[name, engine] = now, classifier
    return classifier


def _ready(bundle: Bundle, engine: str) -> Classifier:
    key = (bundle.name, bundle.version, engine)
    # Without the lock: while one visitor waits for torch, the others go on.
    if found := _loaded.get(key):
        return found
    with _lock:
        if key not in _loaded:
            classifier = Classifier(bundle, start(bundle, engine))
            if engine != "fake":
                classifier.check_golden()
            # A bundle that was replaced leaves with its old version.
            for old in [old for old in _loaded if old[0] == key[0] and old[1] != key[1]]:
                del _loaded[old]
            _loaded[key] = classifier
            # Reading a model leaves twice its size behind.
            trim_memory()
        return _loaded[key]
