"""Batches, each in its own thread and with its own address.

They outlive page changes, reloads, a sleeping phone and a closed tab. Nothing here draws on the
page: pages read a job's fields and stop it.
"""

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from model import Classifier, LoupeError, Prediction, load
from model.admission import AdmissionCancelled
from model.evaluation import PhotoFailure
from model.storage.photo_files import PhotoFile, map_ordered

LIFETIME_MINUTES = 30
"""How long a finished batch is kept while no page shows it, in minutes."""

MAX_BYTES = 48 * 2**20
"""Memory for all results, in bytes: five batches of 1,000 photos and 1,000 labels fit."""

SWEEP_SECONDS = 15.0
"""Time between two sweeps, in seconds."""

THUMBNAIL_PX = 96
"""Longer side of a thumbnail, in pixels."""

OBJECT_BYTES = 2000
"""Size of a result without probabilities and thumbnail, in bytes, measured with tracemalloc."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """The outcome for one photo: a prediction and a small JPEG, or a failure."""

    name: str
    folder: str | None
    prediction: Prediction | None = None
    failure: PhotoFailure | None = None
    thumbnail: bytes = field(default=b"", repr=False)

    @property
    def memory_bytes(self) -> int:
        """Memory that this result holds, in bytes."""
        probabilities = self.prediction.probabilities.nbytes if self.prediction else 0
        return OBJECT_BYTES + probabilities + len(self.thumbnail)


class Job:
    """One batch; ``results`` grows in the order of the photos.

    Args:
        photos: each is released once it is read, so that their memory only shrinks.
        model, engine: names; by default those in the settings.
        left_out: number of photos beyond the limit of a batch.
        upload_bytes: memory that the photos take until the job has ended, at most.
        idle_timeout_seconds: the job stops after that long without a viewer.
        clock: returns seconds that only increase.
    """

    def __init__(
        self,
        photos: Iterable[PhotoFile],
        model: str | None = None,
        engine: str | None = None,
        *,
        left_out: int = 0,
        upload_bytes: int = 0,
        idle_timeout_seconds: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = deque(photos)
        self._model, self._engine = model, engine
        self._idle_timeout_seconds, self._clock = idle_timeout_seconds, clock
        self._viewers: dict[str, Callable[[], bool]] = {}
        self._last_watched = clock()
        self._stop, self._ended = threading.Event(), threading.Event()
        self._started_at = self._ended_at = 0.0
        self.total, self.left_out, self.upload_bytes = len(self._queue), left_out, upload_bytes
        self.results: list[PhotoResult] = []
        self.memory_bytes = 0
        self.labels: tuple[str, ...] = ()
        self.error = ""
        self.is_abandoned = False

    def start(self) -> "Job":
        """Start in a thread that does not keep the process alive."""
        threading.Thread(target=self._run, name="batch", daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop before the next photo; the results so far are kept."""
        self._stop.set()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait for the end; return False on a timeout."""
        return self._ended.wait(timeout_seconds)

    @property
    def ended(self) -> bool:
        """True once no more results will come."""
        return self._ended.is_set()

    @property
    def stopping(self) -> bool:
        """True once ``stop`` was called."""
        return self._stop.is_set()

    @property
    def seconds(self) -> float:
        """Time spent on photos so far, in seconds."""
        if not self._started_at:
            return 0.0
        return (self._ended_at or time.perf_counter()) - self._started_at

    def add_viewer(self, key: str, is_connected: Callable[[], bool]) -> None:
        """Count the session ``key`` as a viewer while ``is_connected`` returns True.

        A reload is a new session: it is added long before the idle timeout, so the job continues.
        """
        viewers = {other: check for other, check in self._viewers.items() if check()}
        # One assignment, since the job's thread reads it at the same time.
        self._viewers = {**viewers, key: is_connected}
        self._last_watched = self._clock()

    def remove_viewer(self, key: str) -> None:
        """Stop counting the session ``key`` as a viewer."""
        self._viewers = {other: check for other, check in self._viewers.items() if other != key}

    def unwatched_seconds(self) -> float:
        """Return the seconds since the last viewer was connected; 0 while one is."""
        if any(is_connected() for is_connected in self._viewers.values()):
            self._last_watched = self._clock()
        return self._clock() - self._last_watched

    def _run(self) -> None:
        try:
            classifier = load(self._model, self._engine)
            self.labels = classifier.bundle.labels
            self._started_at = time.perf_counter()
            for result in map_ordered(
                lambda photo: self._identify(classifier, photo), self._take_photos()
            ):
                if result is not None:
                    self.results.append(result)
                    self.memory_bytes += result.memory_bytes
        except LoupeError as error:
            self.error = str(error)
        except Exception:
            log.exception("A batch failed")
            self.error = "The server hit an error and the batch stopped. Try again."
        finally:
            self._queue.clear()
            self._ended_at = time.perf_counter()
            self._ended.set()

    def _take_photos(self) -> Iterator[PhotoFile]:
        while self._queue and not self.stopping:
            if self.unwatched_seconds() > self._idle_timeout_seconds:
                self.is_abandoned = True
                self.stop()
                return
            yield self._queue.popleft()

    def _identify(self, classifier: Classifier, photo: PhotoFile) -> PhotoResult | None:
        """Return a photo's result; None when the job was stopped before its turn."""
        try:
            if self.stopping:
                return None
            identification = classifier.identify_detailed(
                photo.read(), timeout=None, is_cancelled=lambda: self.stopping
            )
            thumbnail = identification.photo.to_jpeg(THUMBNAIL_PX, quality=70)
            prediction = identification.prediction
            return PhotoResult(photo.name, photo.folder, prediction, thumbnail=thumbnail)
        except AdmissionCancelled:
            return None
        except LoupeError as error:
            failure = PhotoFailure.of(photo.name, error)
        except Exception:
            # A bug that one photo exposes must not end the batch.
            log.exception("A photo of a batch failed")
            message = "The server hit an error on this photo. Try it on its own."
            failure = PhotoFailure(photo.name, LoupeError.code, message)
        return PhotoResult(photo.name, photo.folder, failure=failure)


class JobCache:
    """The batches of this process by unguessable keys.

    A finished batch is dropped after ``lifetime_seconds`` without a viewer. When all results
    together exceed ``max_bytes``, finished batches are dropped earlier: first those without a
    viewer, the oldest first. A running batch stays (without a viewer it stops automatically), and
    so does the newest. Waiting photos are counted by ``upload_bytes`` alone.
    """

    def __init__(
        self, max_bytes: int = MAX_BYTES, lifetime_seconds: float = 60 * LIFETIME_MINUTES
    ) -> None:
        self.max_bytes, self.lifetime_seconds = max_bytes, lifetime_seconds
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._sweeper: threading.Thread | None = None

    def add(self, job: Job) -> str:
        """Store a job; return its key, 128 random bits as URL-safe text."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._jobs[key] = job
            if self._sweeper is None:
                self._sweeper = threading.Thread(
                    target=self._sweep_regularly, name="batch-sweeper", daemon=True
                )
                self._sweeper.start()
        self.sweep()
        return key

    def get(self, key: str) -> Job | None:
        """Return the job with that key, or None if it was dropped or never existed."""
        with self._lock:
            return self._jobs.get(key)

    def upload_bytes(self, except_job: Job | None) -> int:
        """Return the most memory that the uploads of running jobs take, in bytes."""
        with self._lock:
            jobs = [job for job in self._jobs.values() if job is not except_job and not job.ended]
        return sum(job.upload_bytes for job in jobs)

    def sweep(self) -> None:
        """Drop finished batches that are past their lifetime or whose memory is needed."""
        with self._lock:
            finished = {
                key: job.unwatched_seconds() for key, job in self._jobs.items() if job.ended
            }
            for key, unwatched in finished.items():
                if unwatched > self.lifetime_seconds:
                    del self._jobs[key]
            # Dictionaries keep their order, so the oldest comes first and the newest last.
            newest = next(reversed(self._jobs), None)
            for key in sorted(finished, key=lambda key: finished[key] == 0):
                memory_bytes = sum(job.memory_bytes for job in self._jobs.values())
                if memory_bytes > self.max_bytes and key != newest:
                    self._jobs.pop(key, None)

    def _sweep_regularly(self) -> None:
        """Sweep until no batch is left, so that an idle server drops batches as well."""
        pause = threading.Event()
        while True:
            pause.wait(SWEEP_SECONDS)
            self.sweep()
            with self._lock:
                if not self._jobs:
                    self._sweeper = None
                    return


job_cache = JobCache()
