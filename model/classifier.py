"""A bundle run by an engine: from a photo to a prediction, the same for every entry point."""

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .admission import Timeout, admission_queue, local_slot
from .answer.prediction import Milliseconds, Prediction, apply_thresholds
from .api_client import request_prediction
from .bundle import Bundle
from .engines import Engine, EngineOutput
from .errors import (
    DamagedPhoto,
    GoldenMismatch,
    LoupeError,
    MissingPhoto,
    OtherVersion,
    PhotoTooLarge,
)
from .events import Event, emit, emit_error
from .photo import MAX_BYTES, Photo, read
from .preprocess import Pixels, preprocess

Data = bytes | Image.Image | Photo | Pixels
Source = str | Path | Data
"""A path, a file's bytes, a PIL image, a photo that has already been read, or the pixels that
``preprocess`` would make of one."""

TOLERANCE = 1e-4
"""Largest difference of a probability from its golden output."""

OOD_SCORE_TOLERANCE = 1e-3
"""Largest difference of an OOD score from its golden output; relative above one."""


@dataclass(frozen=True)
class Identification:
    """A prediction, and the photo and the pixels that it is for, once they are needed."""

    prediction: Prediction
    read_photo: Callable[[], Photo]
    read_pixels: Callable[[], Pixels]

    @cached_property
    def photo(self) -> Photo:
        """The photo. Decoding it, if it has not been decoded yet, may raise a PhotoError."""
        return self.read_photo()

    @cached_property
    def pixels(self) -> Pixels:
        """The pixels, uint8 [height, width, 3]; may raise as ``photo``."""
        return self.read_pixels()


class Classifier:
    """A bundle run by an engine, safe under threads. ``model.load`` returns one.

    Example:
        >>> load("imagenet").identify("cat.jpg").top(5)
    """

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        self.bundle, self.engine = bundle, engine

    @property
    def local(self) -> "Classifier":
        """The same without ``LOUPE_API``, for photos whose sender wasn't told of it."""
        return self

    def identify(self, source: Source, *, timeout: Timeout = "deadline") -> Prediction:
        """Return the prediction for one photo.

        Args:
            source: the photo.
            timeout: longest wait for a free core in seconds, by default ``LOUPE_DEADLINE``;
                None waits for as long as it takes (for a batch).

        Raises:
            PhotoError: the photo cannot be read.
            Busy: the admission queue is full, or no core came free in time.
        """
        return self.identify_detailed(source, timeout=timeout).prediction

    def identify_detailed(
        self,
        source: Source,
        *,
        timeout: Timeout = "deadline",
        is_cancelled: Callable[[], bool] | None = None,
    ) -> Identification:
        """Return the prediction for one photo, with the photo and its pixels.

        Raises:
            PhotoError, Busy: see ``identify``.
            AdmissionCancelled: ``is_cancelled`` returned True.
        """
        try:
            data = read_file(Path(source)) if isinstance(source, str | Path) else source
            identification = self._identify(data, timeout, is_cancelled)
        except LoupeError as error:
            emit_error(error, self.bundle.name, self.engine.name)
            raise
        prediction = identification.prediction
        assert prediction.milliseconds is not None
        seconds = prediction.milliseconds.total / 1000
        emit(
            Event(
                prediction.model,
                prediction.engine,
                seconds=seconds,
                known=prediction.in_distribution,
            )
        )
        return identification

    def _identify(
        self, data: Data, timeout: Timeout, is_cancelled: Callable[[], bool] | None
    ) -> Identification:
        queue = admission_queue()
        with queue.acquire(timeout, is_cancelled) as admission, local_slot(admission):
            started = time.perf_counter()
            photo = self.read_photo(data)
            # The wait for another large photo is not part of decoding.
            started += admission.large_wait_seconds
            decoded = time.perf_counter()
            pixels = self._to_pixels(photo, data)
            # A large picture is decoded again where it is needed, as for a correction.
            kept = None if queue.release_large() else photo
            del photo
            preprocessed = time.perf_counter()
            # Under load, one core per photo has higher throughput than all cores on one photo.
            single_thread = timeout is None or queue.contended
            output = self.engine.run(pixels[None], single_thread=single_thread)
            finished = time.perf_counter()
        times = Milliseconds(
            decode=(decoded - started) * 1000,
            preprocess=(preprocessed - decoded) * 1000,
            engine=(finished - preprocessed) * 1000,
            total=(finished - started) * 1000,
        )
        prediction = self._to_prediction(output, times)
        prediction = replace(prediction, from_pixels=isinstance(data, np.ndarray))
        return Identification(prediction, lambda: kept or self.read_photo(data), lambda: pixels)

    def _to_pixels(self, photo: Photo, source: object) -> Pixels:
        """Return the pixels that were sent, or those of the photo."""
        if isinstance(source, np.ndarray):
            return source
        return preprocess(photo.image, self.bundle.manifest.recipe)

    def read_photo(self, source: Data) -> Photo:
        """Return a photo, decoded no larger than this model's preprocessing needs.

        Raises:
            PhotoError: the photo cannot be read, or the pixels aren't of the recipe's size.
        """
        if isinstance(source, np.ndarray):
            height, width = self.bundle.manifest.recipe.size
            if source.shape != (height, width, 3) or source.dtype != np.uint8:
                raise DamagedPhoto(f"This model takes uint8 pixels of shape {(height, width, 3)}.")
            return Photo(Image.fromarray(source), "", (width, height))
        if isinstance(source, Photo):
            return source
        if isinstance(source, Image.Image):
            return Photo.from_image(source)
        return read(source, resize=self.bundle.manifest.recipe.min_decode_size)

    def _to_prediction(self, output: EngineOutput, times: Milliseconds) -> Prediction:
        ood_score = None if output.ood_score is None else float(output.ood_score[0])
        prediction = Prediction.of_bundle(
            self.bundle, self.engine.name, output.probabilities[0], milliseconds=times
        )
        calibration = self.bundle.manifest.calibration
        return apply_thresholds(prediction, ood_score, calibration)

    def run_golden_test(self) -> float:
        """Compare the engine with the golden outputs; return the largest difference.

        Raises:
            GoldenMismatch: a probability differs by more than 1e-4.
        """
        golden = self.bundle.golden
        largest = 0.0
        for index, pixels in enumerate(golden.pixels):
            output = self.engine.run(pixels[None])
            largest = max(largest, self._check_probabilities(output, golden.probabilities[index]))
            self._check_ood_score(output, index)
        return largest

    def _check_probabilities(self, output: EngineOutput, expected: NDArray[np.float32]) -> float:
        actual = output.probabilities[0]
        if actual.shape != expected.shape:
            raise self._mismatch(
                f"returns {actual.size} probabilities, but the model has {expected.size} labels"
            )
        difference = float(np.abs(actual - expected).max())
        # Written so that NaN is a mismatch. The top label isn't compared, because two may tie.
        if not difference <= TOLERANCE:
            raise self._mismatch(
                f"doesn't reproduce the golden outputs (largest difference {difference:.2g})"
            )
        return difference

    def _check_ood_score(self, output: EngineOutput, index: int) -> None:
        golden, calibration = self.bundle.golden.ood_score, self.bundle.manifest.calibration
        is_needed = calibration is not None and calibration.ood_threshold is not None
        if golden is None and not is_needed:
            return
        if golden is None or output.ood_score is None:
            file = "golden.npz" if golden is None else "the graph"
            raise self._mismatch(f"needs an OOD score, but {file} has no 'novelty'")
        actual, expected = float(output.ood_score[0]), float(golden[index])
        if not abs(actual - expected) <= OOD_SCORE_TOLERANCE * max(1.0, abs(expected)):
            raise self._mismatch(
                f"gives a golden photo an OOD score of {actual:.5g} instead of {expected:.5g}"
            )

    def _mismatch(self, problem: str) -> GoldenMismatch:
        return GoldenMismatch(
            f"{self.bundle.folder}: the engine {self.engine.name!r} {problem}. Don't use this "
            "model: build or import it again on this machine."
        )


class RemoteClassifier(Classifier):
    """A bundle whose photos the API of ``LOUPE_API`` identifies; the engine explains answers."""

    @property
    def local(self) -> Classifier:
        """The same without the API."""
        return Classifier(self.bundle, self.engine)

    def _identify(
        self, data: Data, timeout: Timeout, is_cancelled: Callable[[], bool] | None
    ) -> Identification:
        # An image without its file can't be sent as it came, and an oversized file needn't be.
        if not isinstance(data, bytes | np.ndarray) or len(data) > MAX_BYTES:
            return super()._identify(data, timeout, is_cancelled)
        with admission_queue().acquire(timeout, is_cancelled):
            prediction = request_prediction(
                self.bundle, data, is_batch=timeout is None, is_cancelled=is_cancelled
            )
        read_photo = cache(lambda: self.read_photo(data))
        return Identification(prediction, read_photo, lambda: self._to_pixels(read_photo(), data))


def read_file(path: Path) -> bytes:
    """Return the bytes of a photo file.

    Raises:
        MissingPhoto, PhotoTooLarge, DamagedPhoto: it is missing, too large or unreadable.
    """
    try:
        # One byte over the limit is enough to reject it: a device or a pipe may never end.
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise MissingPhoto(f"There is no file {path}. Check its name.") from None
    except OSError as error:
        raise DamagedPhoto(f"{path} can't be read: {error.strerror}.") from None
    if len(data) > MAX_BYTES:
        raise PhotoTooLarge(
            f"{path} is larger than {MAX_BYTES // 2**20} MB. Send a smaller version."
        )
    return data


def read_pixels(data: bytes, bundle: Bundle, version: str, *, packed: bool = False) -> Pixels:
    """Return the pixels that a browser sends, made from a photo; nothing is decoded as a picture.

    Args:
        data: uint8 [height, width, 3] of the recipe's size, or the same packed as by
            ``device/engine/preprocess.mjs``.
        bundle: the model that is to answer.
        version: the one whose recipe made them.
        packed: whether they are packed.

    Raises:
        OtherVersion: the model has been replaced since.
        DamagedPhoto: they are of another length.
    """
    if version != bundle.version:
        raise OtherVersion("This model has been replaced. Make the pixels again, by its recipe.")
    height, width = bundle.manifest.recipe.size
    length = height * width * 3
    if packed:
        data = _inflate(data, length)
    if len(data) != length:
        raise DamagedPhoto(
            f"These aren't the pixels of a photo: this model takes {height} × {width} × 3 bytes. "
            "Send the photo itself."
        )
    if not packed:
        return np.frombuffer(data, np.uint8).reshape(height, width, 3)
    planes = np.frombuffer(data, np.uint8).reshape(3, height, width)
    pixels = np.cumsum(planes, axis=1, dtype=np.uint8).transpose(1, 2, 0)
    pixels[..., ::2] += pixels[..., 1:2]
    return np.ascontiguousarray(pixels)


def _inflate(data: bytes, length: int) -> bytes:
    """Return what a zlib stream holds; empty if it is damaged, or not exactly ``length`` bytes."""
    stream = zlib.decompressobj()
    try:
        # One byte more would show that it is longer.
        inflated = stream.decompress(data, length + 1)
    except zlib.error:
        return b""
    return inflated if stream.eof and not stream.unused_data else b""
