"""A cache of batches, each with its own address, which survives a reload or a closed tab."""

import secrets
import threading

from ui.batch.job import Job

LIFETIME_MINUTES = 30
"""Time that a finished batch is kept without a viewer, in minutes."""

MAX_BYTES = 48 * 2**20
"""Memory for all results, in bytes: five batches of 1,000 photos and 1,000 labels fit."""

SWEEP_SECONDS = 15.0
"""Time between two sweeps, in seconds."""


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
        """Keep a job; return its key, 128 random bits as URL-safe text."""
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
