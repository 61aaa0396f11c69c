"""Memory of the serving process after many visits, without a garbage collection after each."""

import time

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from ..apps import loupe
from ..servers import Server, serve

__all__ = ["visits"]

VISITS = 2000
STEP = 250
"""Visits between two readings."""


def visits(quick: bool) -> tuple[float, str]:
    """Open the page and run its script twice, again and again; read the resident memory."""
    readings = []
    with serve(loupe()) as server:
        server.wait_for()
        for number in range(1, (VISITS // 50 if quick else VISITS) + 1):
            _visit(server)
            if number % STEP == 0:
                readings.append(server.memory_mb())
        used = server.memory_mb()
    text = ", ".join(f"{reading:.0f}" for reading in readings)
    return used, f"{number} visits of two runs each; MB after each {STEP}: {text}"


def _visit(server: Server) -> None:
    message = BackMsg()
    message.rerun_script.SetInParent()
    rerun = message.SerializeToString()
    url = f"ws://127.0.0.1:{server.port}/_stcore/stream"
    with connect(url, max_size=None, close_timeout=0) as stream:
        for _ in range(2):
            stream.send(rerun)
            while ForwardMsg.FromString(stream.recv(60)).WhichOneof("type") != "script_finished":
                pass
            time.sleep(0.01)
