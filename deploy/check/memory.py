"""The memory of a process and of all that it started, watched while it runs."""

import contextlib
import threading

import psutil

__all__ = ["Watch", "tree_mb"]

MB = 2**20
EVERY = 0.1
"""Seconds between two looks."""


class Watch(threading.Thread):
    """The largest memory of a process and all it started, MB, while it runs."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.most = 0.0
        self._pid, self._end = pid, threading.Event()

    def run(self) -> None:
        """Look until told to stop."""
        while not self._end.wait(EVERY):
            self.most = max(self.most, tree_mb(self._pid))

    def stop(self) -> None:
        """Look no more."""
        self._end.set()
        self.join()


def tree_mb(pid: int) -> float:
    """Memory of a process and its children, MB: what a child shares counts with the first."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        total += process.memory_info().rss
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                total += child.memory_full_info().uss
    return total / MB
