"""Events: what happens to photos, for metrics and logs; and the progress of long work.

Events carry numbers, model names and error codes, never a photo.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from .errors import LoupeError


@dataclass(frozen=True, slots=True)
class Event:
    """A photo that was identified, or rejected with ``code``.

    ``seconds`` is the time without waiting, None for a rejected photo. ``known`` is
    ``Prediction.in_distribution``.
    """

    model: str
    engine: str
    code: str | None = None
    seconds: float | None = None
    known: bool | None = None


_listeners: list[Callable[[Event], None]] = []


def subscribe(listener: Callable[[Event], None]) -> Callable[[], None]:
    """Call ``listener`` with each event; return a function that unsubscribes it.

    It is called in the thread that identified the photo, so it must be fast, thread-safe
    and raise nothing.
    """
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def emit_error(error: LoupeError, model: str = "", engine: str = "") -> None:
    """Emit an error, but only once: each caller that passes it on may call this."""
    if not error.emitted:
        error.emitted = True
        emit(Event(model, engine, code=error.code))


def emit(event: Event) -> None:
    """Pass an event to all listeners."""
    for listener in tuple(_listeners):
        listener(event)


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
