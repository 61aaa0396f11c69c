"""Paths that the benchmarks share, and the machine and versions that figures were measured on."""

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from model import resources

ROOT = Path(__file__).resolve().parent.parent
PEERS = Path(__file__).resolve().parent / "peers"
BUILD = ROOT / "build" / "bench"
"""Generated files: photos, the peers' packages and ``export.pkl``, logs."""

MODEL = "imagenet"
"""Name of the model that is measured."""

PACKAGES = ("onnxruntime", "pillow", "streamlit", "fastai", "torch", "timm")


def describe() -> dict[str, str]:
    """Return CPU, cores, memory, system, package versions and load, as text."""
    cpuinfo, path = Path("/proc/cpuinfo"), find_chromium()
    names = re.findall(r"model name\s*: (.*)", cpuinfo.read_text() if cpuinfo.is_file() else "")
    command = [path or "true", "--version"]
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    chromium = re.findall(r"^Chromium (\S+)", printed) or ["not installed"]
    peers = [str(path) for path in BUILD.glob("peers/venv/lib/*/site-packages")]
    return {
        "CPU": names[0] if names else platform.processor() or platform.machine(),
        "cores": str(resources.cores()),
        "memory": f"{resources.memory_mb() / 1024:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{name: _version(name, sys.path) for name in PACKAGES},
        "gradio": _version("gradio", peers),
        "Chromium": chromium[0],
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
    }


def find_chromium() -> str | None:
    """Return the path of Chromium."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


def _version(package: str, folders: list[str]) -> str:
    found = distributions(name=package, path=folders)
    return next((each.version for each in found), "not installed")
