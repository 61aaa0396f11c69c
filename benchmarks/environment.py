"""The machine and the package versions that figures were measured on."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from model import resources

from .apps import GRADIO_VENV
from .browser import find_chromium

__all__ = ["describe"]

PACKAGES = ("onnxruntime", "pillow", "streamlit", "fastai", "torch", "timm")


def describe() -> dict[str, str]:
    """Return CPU, cores, memory, system and package versions, as text."""
    facts = {
        "CPU": _processor(),
        "cores": str(resources.cores()),
        "memory": f"{resources.memory_mb() / 1024:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
    }
    facts |= {name: _version(name) for name in PACKAGES}
    return facts | {"gradio": _gradio(), "Chromium": _chromium(), "load": _load()}


def _processor() -> str:
    """Return the processor's name, or its architecture if the system doesn't name it."""
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
    """Return Gradio's version in its own environment."""
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = [GRADIO_VENV / "lib" / python / "site-packages", GRADIO_VENV / "Lib/site-packages"]
    for gradio in distributions(name="gradio", path=[str(folder) for folder in folders]):
        return gradio.version
    return "not installed"


def _chromium() -> str:
    """Return the version of the Chromium that is driven."""
    path = find_chromium()
    if path is None:
        return "not installed"
    command = [path, "--version"]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    return next((word for word in completed.stdout.split() if word[0].isdigit()), "unknown")


def _load() -> str:
    """Return the load average of the last minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
