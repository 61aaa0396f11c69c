"""The table that weighs device against server, with what was just measured."""

from model import Bundle
from model.text import format_size
from ui.compare_page.measurement import WAYS, Comparison, Result

__all__ = ["trade_offs"]


def trade_offs(comparison: Comparison, bundle: Bundle) -> list[dict[str, str]]:
    """Return the rows: a dimension, on the device, on a server."""
    device = _best(comparison, "device")
    server = _best(comparison, "server")
    downloaded = f", for {format_size(device.downloaded)}" if device else ""
    sent = f"{format_size(server.sent)} for this photo" if server else "The whole photo"
    rows = [
        (
            "Internet",
            f"Needed once{downloaded}; then it works offline",
            "Needed for each photo",
        ),
        ("Bandwidth", "Nothing per photo", sent),
        ("Latency", _total(device), _total(server)),
        (
            "Computing power",
            f"This device's{_engine(device)}",
            f"The server's{_engine(server)}, shared by all visitors",
        ),
        ("Privacy", "The photo stays here", "The file is sent, used for the answer, then gone"),
        (
            "Freedom of framework",
            f"Networks that become an ONNX graph, here one of {_graph_size(bundle)}",
            "Anything that Python can run",
        ),
        ("Complexity", "A folder of files on any web server", "A running app, with its updates"),
        ("Cost", "Static hosting, often free", "A server with at least 512 MB of memory"),
    ]
    return [{"": name, "On the device": here, "On a server": there} for name, here, there in rows]


def _best(comparison: Comparison, runs_in: str) -> Result | None:
    """Return the fastest way that runs on the device or on the server."""
    results = [one for one in comparison.results if WAYS[one.way].runs_in == runs_in]
    return min(results, key=lambda result: result.times.total, default=None)


def _total(result: Result | None) -> str:
    return f"{result.times.total:.0f} ms" if result else "not measured"


def _engine(result: Result | None) -> str:
    return f": {result.times.engine:.0f} ms for the model" if result else ""


def _graph_size(bundle: Bundle) -> str:
    return format_size((bundle.folder / "graph.onnx").stat().st_size)
