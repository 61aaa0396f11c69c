"""What happens to photos, told to whoever keeps count: metrics and logs listen here.

Only numbers, names of models and codes of refusals are told, never a photo.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .errors import LoupeError

__all__ = ["Event", "emit", "emit_error", "subscribe"]


@dataclass(frozen=True, slots=True)
class Event:
    """A photo was answered, or refused with ``code``.

    ``seconds`` is what the answer took inside the gate; None for a refusal. ``known``
    is as in ``Prediction``.
    """

    model: str
    engine: str
    code: str | None = None
    seconds: float | None = None
    known: bool | None = None


_listeners: list[Callable[[Event], None]] = []


def subscribe(listener: Callable[[Event], None]) -> Callable[[], None]:
    """Have ``listener`` called with each event, in the thread that answers; returns the end of it.

    It must be quick, safe under threads, and raise nothing.
    """
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def emit_error(error: LoupeError, model: str = "", engine: str = "") -> None:
    """Tell of a refusal, once, through however many doors it goes."""
    if not error.told:
        error.told = True
        emit(Event(model, engine, code=error.code))


def emit(event: Event) -> None:
    """Tell all who listen."""
    for listener in tuple(_listeners):
        listener(event)
