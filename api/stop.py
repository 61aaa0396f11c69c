"""Graceful stop: what is under way is finished, the rest is refused."""

import signal
import threading
from types import FrameType

from .line import line

__all__ = ["begin", "watch"]


def begin() -> None:
    """Refuse what comes from now on; what was let in is finished."""
    line().stopping = True


def watch() -> None:
    """Begin to stop with the signal that ends the server, before the server's own handler.

    Between the signal and the moment when the server closes its sockets requests still
    arrive, and connections that are open carry more: those would be begun and then be
    waited for. To be called once the server has set its handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        former = signal.getsignal(number)

        def stopping(signum: int, frame: FrameType | None, former: object = former) -> None:
            begin()
            if callable(former):
                former(signum, frame)

        if callable(former):
            signal.signal(number, stopping)
