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

__all__ = ["Measured", "measured"]

ANSWERS = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found.

    Attributes:
        memory_mb: resident memory of this process now, MB; ``most_mb`` the most so far,
            None where the system does not tell.
        torch: whether torch is loaded, which takes several hundred MB of it.
        milliseconds: median of an answer to a sample, with all cores of this machine.
        core_seconds: what such an answer takes of one core, s; upper bound while others
            are answered, too.
    """

    memory_mb: float
    most_mb: float | None
    torch: bool
    milliseconds: float
    core_seconds: float
    cores: int


@st.cache_data(ttl=300, show_spinner=False)
def measured() -> Measured | None:
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
    return Measured(
        memory_mb=psutil.Process().memory_info().rss / 2**20,
        most_mb=_most_mb(),
        torch="torch" in sys.modules,
        milliseconds=median(times) * 1000,
        core_seconds=min(cpu),
        cores=settings().threads,
    )


def _most_mb() -> float | None:
    if os.name == "nt":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in kB, macOS in bytes.
    return most / (2**20 if sys.platform == "darwin" else 2**10)
