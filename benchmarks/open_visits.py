"""Memory, sockets and CPU time of an open visit, on the app's server.

``python -m benchmarks.open_visits`` opens visits as browsers do, by a websocket whose script has
run, and keeps them open. One more, in Chromium, shows how many sockets a real page has.
"""

import time
from contextlib import ExitStack

import click
import numpy as np
import psutil

from .apps import Server, loupe, serve
from .browser import chromium, open_page
from .figures.on_server import open_stream, run_script

SETTLE_SECONDS = 15
"""Longer than the server keeps an idle connection, except for websockets."""


@click.command()
@click.option("--visits", default=1000, show_default=True)
@click.option("--step", default=200, show_default=True)
def main(visits: int, step: int) -> None:
    """Print the readings, and what one more visit takes: the slope."""
    with serve(loupe()) as server, ExitStack() as stack:
        server.wait_until_ready()
        readings = []
        for number in range(1, visits + 1):
            run_script(stack.enter_context(open_stream(server)), 1)
            # The first visits also fill caches.
            if number % step == 0:
                readings.append((number, *_read(server)))
                print("{} visits: {:.1f} MB, {} sockets, {:.1f} s of CPU".format(*readings[-1]))
        table = np.array(readings)
        megabytes, sockets, seconds = np.polyfit(table[:, 0], table[:, 1:], 1)[0]
        print(
            f"One more: {megabytes:.2f} MB, {sockets:.2f} sockets, {seconds * 1000:.0f} ms of CPU"
        )
        before = _read(server)[1]
        with chromium() as browser, open_page(browser, server):
            loading = _read(server)[1] - before
            time.sleep(SETTLE_SECONDS)
            print(f"Chromium's page: {loading} sockets, {_read(server)[1] - before} later")


def _read(server: Server) -> tuple[float, int, float]:
    """Return memory in MB, established connections, and CPU time in seconds."""
    sockets = server.process.net_connections("tcp")
    established = sum(socket.status == psutil.CONN_ESTABLISHED for socket in sockets)
    return server.memory_mb(), established, sum(server.process.cpu_times()[:2])


if __name__ == "__main__":
    main()
