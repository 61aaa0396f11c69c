"""The binaries of the kernels are what ``device/kernels/`` compiles to."""

import os
import subprocess
import sys
from pathlib import Path

from model.settings import ROOT

BINARIES = ("kernels.wasm", "kernels-relaxed.wasm")


def test_binaries_are_what_their_source_compiles_to(tmp_path: Path) -> None:
    command: list[str | Path] = [ROOT / "device" / "kernels" / "build.sh", sys.executable, tmp_path]
    caches = {f"ZIG_{kind}_CACHE_DIR": str(tmp_path / kind) for kind in ("GLOBAL", "LOCAL")}
    subprocess.run(command, check=True, env=os.environ | caches)
    for name in BINARIES:
        made = (tmp_path / name).read_bytes()
        assert made == (ROOT / "device" / "engine" / name).read_bytes(), "run make kernels"
