"""Free TCP ports."""

import contextlib
import socket

ATTEMPTS = 50
"""Number of ports tried, starting at the preferred one."""


def free_port(first: int | None = None) -> int:
    """Return a free port: any, or the first one from ``first`` upwards.

    Raises:
        OSError: ``ATTEMPTS`` ports from ``first`` upwards are all in use.
    """
    ports = [0] if first is None else range(first, first + ATTEMPTS)
    for port in ports:
        # Ports of connections that closed a moment ago count as free.
        with contextlib.suppress(OSError), socket.create_server(("", port)) as server:
            return int(server.getsockname()[1])
    raise OSError(f"Ports {ports[0]} to {ports[-1]} are all in use.")
