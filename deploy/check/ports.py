"""A port that nothing listens on."""

import socket

__all__ = ["free_port"]


def free_port() -> int:
    """One that the system gives; free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
