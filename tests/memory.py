"""Limits and measurements of this process's memory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def limited_memory(more: int) -> Iterator[None]:
    """Limit this process to ``more`` additional bytes, as a worker is limited."""
    if sys.platform != "linux":
        yield
        return
    import resource

    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@contextmanager
def assert_peak_below(megabytes: int) -> Iterator[None]:
    """Check that the peak of resident memory rises by less than ``megabytes`` (Linux).

    ``ru_maxrss`` would not do: it never falls, so an earlier peak hides a later one.
    """
    if sys.platform != "linux":
        yield
        return
    # 5 sets the peak to what is resident now: proc_pid_clear_refs(5).
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak_kilobytes()
    yield
    assert _peak_kilobytes() - before < megabytes * 1024


def _peak_kilobytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
