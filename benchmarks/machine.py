"""The machine that figures were measured on; a figure without it says little."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from model import resources

from .apps import GRADIO_VENV

__all__ = ["describe"]

PACKAGES = ("onnxruntime", "pillow", "streamlit", "fastai", "torch", "timm")


def describe() -> dict[str, str]:
    """CPU, cores, memory, system and the versions that matter, as text."""
    found = {
        "CPU": _processor(),
        "cores": str(resources.cores()),
        "memory": f"{resources.memory_mb() / 1024:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
    }
    found |= {name: _version(name) for name in PACKAGES}
    return found | {"gradio": _gradio(), "load": _load()}


def _processor() -> str:
    """The processor's own name, or its kind where the system does not say."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _gradio() -> str:
    """Gradio's version in its own environment."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = [GRADIO_VENV / "lib" / python / "site-packages", GRADIO_VENV / "Lib/site-packages"]
    for found in distributions(name="gradio", path=[str(place) for place in places]):
        return found.version
    return "not installed"


def _load() -> str:
    """What else ran: the mean number of processes that wanted a core in the last minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
