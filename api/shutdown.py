"""Graceful stop: what is under way is finished, the rest is refused."""

import logging
import os
import signal
import threading
import time
from types import FrameType

from .dispatcher import dispatcher

__all__ = ["begin", "watch"]


GRACE = 25.0
"""Seconds from the signal to the end, whoever is still there: hosts kill after 30."""

log = logging.getLogger("loupe")


def begin() -> None:
    """Refuse what comes from now on; what was let in is finished."""
    dispatcher().stopping = True


def watch() -> None:
    """Begin to stop with the signal that ends the server, before the server's own handler.

    Between the signal and the moment when the server closes its sockets requests still
    arrive, and connections that are open carry more: those would be begun and then be
    waited for. To be called once the server has set its handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    # Made now: a thread must not be started from within a signal's handler.
    signalled = threading.Event()
    threading.Thread(target=_end, args=(signalled,), name="stop", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        former = signal.getsignal(number)

        def stopping(signum: int, frame: FrameType | None, former: object = former) -> None:
            begin()
            signalled.set()
            if callable(former):
                former(signum, frame)

        if callable(former):
            signal.signal(number, stopping)


def _end(signalled: threading.Event) -> None:
    """End the process once all that was let in has had its time.

    The server waits for each connection, and a client that never reads its answer keeps one
    open for as long as it likes.
    """
    signalled.wait()
    time.sleep(GRACE)
    log.warning("Still not stopped after %g s: somebody does not take his answer.", GRACE)
    logging.shutdown()
    os._exit(128 + signal.SIGTERM)
