"""Events: what happens to photos, for metrics and logs.

Events carry numbers, model names and error codes, never a photo.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
