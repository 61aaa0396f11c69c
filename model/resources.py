"""Cores and memory that this process may use, from the cgroup's limits first.

A container sees all cores and memory of its host, and is throttled or killed if it uses
them. Both cgroup versions are read.
"""

import ctypes
import math
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Parameters of ``mallopt``, by glibc's ``malloc.h``."""

LARGE_BLOCK_BYTES = 8 * 2**20
"""Size from which blocks of memory return to the system once they are freed, in bytes.

Networks for 224 × 224 pixels take up to 7 MB at each run: mapping these anew would cost a
seventh of the photos per second.
"""

CGROUP = Path("/sys/fs/cgroup")


def cores(root: Path = CGROUP) -> int:
    """Return the cores to use: the cgroup's quota rounded up, at most the affinity mask's."""
    quota = _quota(root)
    available = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(available, math.ceil(quota) if quota else available))


def has_cpu_limit(root: Path = CGROUP) -> bool:
    """Return whether a cgroup grants fewer cores than the machine has."""
    quota = _quota(root)
    return quota is not None and quota < (os.cpu_count() or 1)


def memory_mb(root: Path = CGROUP) -> int:
    """Return the memory to use, in MB: the cgroup's limit, at most the machine's memory."""
    files = [folder / "memory.max" for folder in _cgroup_folders(root)]
    files.append(root / "memory" / "memory.limit_in_bytes")
    limits = [limit / 2**20 for limit in map(_read_number, files) if limit and limit > 0]
    return max(128, int(min([_machine_mb(), *limits])))


def configure_malloc() -> None:
    """Let freed memory return to the system, where the C library supports it (glibc).

    By default glibc opens up to eight arenas per core and keeps in them what sessions' threads
    freed: 70 MB after two dozen sessions. And once a block has been freed, glibc takes others of
    that size, up to 32 MB, from an arena, which keeps them: 800 MB after photos of 20 megapixels.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        mallopt(M_TRIM_THRESHOLD, LARGE_BLOCK_BYTES)


@lru_cache(maxsize=1)
def descriptor_limit() -> int:
    """Let this process open as many files and sockets as it may; return that number.

    systemd grants 1,024 to a process that doesn't ask for more; macOS refuses more than 10,240.
    """
    with suppress(ImportError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for count in (10_240, hard):
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2**13  # Windows


def trim_memory() -> None:
    """Return freed memory to the system, where the C library supports it (glibc)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _quota(root: Path) -> float | None:
    """Return the cores that the cgroup and its parents grant; None without a limit."""
    quotas = []
    for folder in _cgroup_folders(root):
        parts = _read_text(folder / "cpu.max").split()
        if len(parts) == 2 and parts[0].isdigit() and parts[1].isdigit() and int(parts[1]):
            quotas.append(int(parts[0]) / int(parts[1]))
    if quotas:
        return min(quotas)
    quota = _read_number(root / "cpu" / "cpu.cfs_quota_us")
    period = _read_number(root / "cpu" / "cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def _cgroup_folders(root: Path) -> list[Path]:
    """Return this process's cgroup, then its parents up to the root."""
    name = "/"
    for line in _read_text(Path("/proc/self/cgroup")).splitlines():
        if line.startswith("0::"):
            name = line[3:]
    folder = root / name.strip("/")
    return [folder, *[parent for parent in folder.parents if parent.is_relative_to(root)]]


def _machine_mb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
    except (AttributeError, OSError, ValueError):
        return 4096.0


def _read_number(path: Path) -> int | None:
    text = _read_text(path).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
