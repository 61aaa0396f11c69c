"""Where the benchmarks find things and put them."""

from pathlib import Path

__all__ = ["BUILD", "MODEL", "PEERS", "RESULT", "ROOT"]

ROOT = Path(__file__).resolve().parent.parent
PEERS = Path(__file__).resolve().parent / "peers"
BUILD = ROOT / "build" / "bench"
"""What can be made again: photos, the peers' export.pkl, logs."""

RESULT = ROOT / "build" / "bench.json"
MODEL = "imagenet"
"""The bundle that is measured."""
