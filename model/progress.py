"""Progress of long work, such as a training run: stages with their steps, and lines of text."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


class Progress:
    """Receiver of the progress of long work; this one ignores it.

    Its methods are called in the thread that does the work. An exception that they raise ends the
    work; a training run can be resumed afterwards.
    """

    def update(self, stage: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` steps of a stage are done; 0 of 0: not counted."""

    def note(self, text: str) -> None:
        """Report a line of text."""

    def measure(self, step: str, values: Mapping[str, float]) -> None:
        """Report figures of an "epoch" or "trial"; ``values["number"]`` is its number, from 1."""

    def track(self, stage: str, items: Iterable[T], total: int) -> Iterator[T]:
        """Yield the items of a stage; report that it begins, and each item once dealt with."""
        self.update(stage, 0, total)
        for done, item in enumerate(items, 1):
            yield item
            self.update(stage, done, total)


SILENT = Progress()
