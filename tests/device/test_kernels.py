"""The compiled kernels are those of ``device/kernels/``, and need nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.settings import ROOT
from tests.device.node import run_node

BINARIES = ("kernels.wasm", "kernels-relaxed.wasm")


def test_binaries_are_what_their_source_compiles_to(tmp_path: Path) -> None:
    command: list[str | Path] = [ROOT / "device" / "kernels" / "build.sh", sys.executable, tmp_path]
    caches = {f"ZIG_{kind}_CACHE_DIR": str(tmp_path / kind) for kind in ("GLOBAL", "LOCAL")}
    subprocess.run(command, check=True, env=os.environ | caches)
    for name in BINARIES:
        made = (tmp_path / name).read_bytes()
        assert made == (ROOT / "device" / "engine" / name).read_bytes(), "run make kernels"


@pytest.mark.parametrize("name", BINARIES)
def test_kernels_import_nothing(name: str) -> None:
    script = """
      const { setFlagsFromString } = await import("node:v8");
      setFlagsFromString("--experimental-wasm-relaxed-simd");
      const bytes = readFileSync(given);
      const { Module, validate } = WebAssembly;
      return validate(bytes) && Module.imports(new Module(bytes));
    """
    imports = run_node(script, str(ROOT / "device" / "engine" / name))
    if imports is False and "relaxed" in name:
        pytest.skip("this engine has no relaxed SIMD")
    assert imports == []
