"""What this app takes, measured in this process: memory, start, seconds and cores an answer."""

import os
import sys
import time
from dataclasses import dataclass
from statistics import median

import psutil
import streamlit as st

from model import LoupeError, load
from model.samples import samples
from model.settings import settings

__all__ = ["Measurement", "measure_app"]

ANSWERS = 5


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was found.

    Attributes:
        memory_mb: resident memory of this process now, MB; ``most_mb`` the most so far,
            None where the system does not tell.
        torch: whether torch is loaded, which takes several hundred MB of it.
        milliseconds: median of an answer to a sample, with all cores of this machine.
        core_seconds: what such an answer takes of one core, s, median; upper bound while
            others are answered, too.
    """

    memory_mb: float
    most_mb: float | None
    torch: bool
    milliseconds: float
    core_seconds: float
    cores: int

    def estimate(self, cores: float) -> str:
        """How long an answer would take there, in words: never shorter than here."""
        seconds = max(self.milliseconds / 1000, self.core_seconds / cores)
        return f"about {seconds:.1f} s" if seconds >= 0.1 else f"about {seconds * 1000:.0f} ms"


@st.cache_data(ttl=300, show_spinner=False)
def measure_app() -> Measurement | None:
    """Measure, at most once in five minutes; None where no model answers."""
    try:
        classifier = load()
        sample = samples()[0].read()
        times, cpu = [], []
        for _ in range(ANSWERS):
            began, used = time.perf_counter(), time.process_time()
            classifier.identify(sample)
            times.append(time.perf_counter() - began)
            cpu.append(time.process_time() - used)
    except (LoupeError, IndexError):
        return None
    memory, most = psutil.Process().memory_info().rss / 2**20, _most_mb()
    return Measurement(
        memory_mb=memory,
        # The system's own maximum lags behind by some pages.
        most_mb=most and max(memory, most),
        torch="torch" in sys.modules,
        milliseconds=median(times) * 1000,
        core_seconds=median(cpu),
        cores=settings().threads,
    )


def _most_mb() -> float | None:
    if os.name == "nt":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in kB, macOS in bytes.
    return most / (2**20 if sys.platform == "darwin" else 2**10)
