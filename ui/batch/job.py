"""A batch at work: a thread of its own that outlives page changes and a sleeping phone.

Nothing in here knows the screen: pages read a job's fields, and ask it to stop.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from model import Classifier, LoupeError, Prediction, load
from model.classifier import Identification
from model.errors import Busy
from model.evaluation import PhotoFailure
from model.photo_files import map_ordered

__all__ = ["Item", "Job", "Result"]

THUMBNAIL = 96
"""Pixels of a thumbnail's longer side."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Item:
    """A photo to look at; ``name`` and ``folder`` are only ever shown, never opened."""

    name: str
    folder: str | None
    read: Callable[[], bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a photo: a prediction and a small JPEG, or a refusal."""

    name: str
    folder: str | None
    prediction: Prediction | None = None
    refused: PhotoFailure | None = None
    thumbnail: bytes = field(default=b"", repr=False)


class Job:
    """One batch. What is done is in ``results``, in the order of the photos.

    Args:
        items: let go one by one as they are read, so that memory only shrinks.
        model: its name; None for the one in the settings.
        engine: likewise.
        alive: whether the visitor is there.
        patience: seconds without the visitor after which the job stops by itself.
    """

    def __init__(
        self,
        items: Iterable[Item],
        model: str | None = None,
        engine: str | None = None,
        *,
        alive: Callable[[], bool] = lambda: True,
        patience: float = 300.0,
    ) -> None:
        self._waiting = deque(items)
        self._model, self._engine = model, engine
        self._alive, self._patience = alive, patience
        self._seen = time.monotonic()
        self._stop, self._ended = threading.Event(), threading.Event()
        self._began: float | None = None
        self._seconds = 0.0
        self.total = len(self._waiting)
        self.results: list[Result] = []
        self.labels: tuple[str, ...] = ()
        self.failure = ""

    def start(self) -> "Job":
        """Begin, in a thread that does not keep the process alive."""
        threading.Thread(target=self._run, name="batch", daemon=True).start()
        return self

    def stop(self) -> None:
        """Take no further photo; what is done stays."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end; whether it came in that time."""
        return self._ended.wait(seconds)

    @property
    def ended(self) -> bool:
        """No more results will come."""
        return self._ended.is_set()

    @property
    def stopping(self) -> bool:
        """It was told to stop."""
        return self._stop.is_set()

    @property
    def seconds(self) -> float:
        """How long it has been looking at photos."""
        if self.ended or self._began is None:
            return self._seconds
        return time.perf_counter() - self._began

    def _run(self) -> None:
        try:
            classifier = load(self._model, self._engine)
            self.labels = classifier.bundle.labels
            self._began = time.perf_counter()
            for result in map_ordered(lambda item: self._result(classifier, item), self._take()):
                if result is not None:
                    self.results.append(result)
        except LoupeError as error:
            self.failure = str(error)
        except Exception:
            log.exception("A batch broke off")
            self.failure = "Something went wrong in here, so the batch broke off. Try it again."
        finally:
            self._waiting.clear()
            self._seconds = self.seconds
            self._ended.set()

    def _take(self) -> Iterator[Item]:
        while self._waiting and not self.stopping and self._wanted():
            yield self._waiting.popleft()

    def _wanted(self) -> bool:
        if self._alive():
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > self._patience:
            self.stop()
        return not self.stopping

    def _result(self, classifier: Classifier, item: Item) -> Result | None:
        """A photo's result; None when the job was stopped before it was looked at."""
        try:
            examined = self._examined(classifier, item)
            if examined is None:
                return None
            thumbnail = examined.photo.to_jpeg(THUMBNAIL, quality=70)
            return Result(item.name, item.folder, examined.prediction, thumbnail=thumbnail)
        except LoupeError as error:
            refused = PhotoFailure.of(item.name, error)
        except Exception:
            # One photo that finds a hole in the code must not take the others with it.
            log.exception("A photo of a batch broke off")
            message = "Something went wrong in here while looking at that photo."
            refused = PhotoFailure(item.name, LoupeError.code, message)
        return Result(item.name, item.folder, refused=refused)

    def _examined(self, classifier: Classifier, item: Item) -> Identification | None:
        data = None
        while not self.stopping:
            data = item.read() if data is None else data
            try:
                return classifier.identify_detailed(data, patient=True)
            except Busy:
                # Each try waits until the deadline: large photos are decoded one at a time.
                continue
        return None
