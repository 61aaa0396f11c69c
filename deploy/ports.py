"""Free TCP ports."""

import socket

__all__ = ["free_port"]

ATTEMPTS = 50
"""Number of ports tried, starting at the preferred one."""


def free_port(first: int | None = None) -> int:
    """Return a free port: any, or the first one from ``first`` upwards.

    Raises:
        OSError: ``ATTEMPTS`` ports from ``first`` upwards are all in use.
    """
    if first is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])
    for port in range(first, first + ATTEMPTS):
        with socket.socket() as probe:
            # Ports of connections that closed a moment ago count as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise OSError(f"Ports {first} to {first + ATTEMPTS - 1} are all in use.")
