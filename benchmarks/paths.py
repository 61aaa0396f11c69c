"""Paths and names that the benchmarks share."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = Path(__file__).resolve().parent / "peers"
BUILD = ROOT / "build" / "bench"
"""Generated files: photos, the peers' ``export.pkl``, logs."""

RESULT = ROOT / "build" / "bench.json"
MODEL = "imagenet"
"""Name of the model that is measured."""
