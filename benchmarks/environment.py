"""The machine and the package versions that figures were measured on."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from model import resources

from .apps import GRADIO_VENV
from .browser import find_chromium

PACKAGES = ("onnxruntime", "pillow", "streamlit", "fastai", "torch", "timm")
MISSING = "not installed"


def describe() -> dict[str, str]:
    """Return CPU, cores, memory, system, package versions and load, as text."""
    gradio = GRADIO_VENV.glob("lib/*/site-packages/gradio-*.dist-info")
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "CPU": _processor(),
        "cores": str(resources.cores()),
        "memory": f"{resources.memory_mb() / 1024:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "gradio": next((path.stem.removeprefix("gradio-") for path in gradio), MISSING),
        "Chromium": _chromium(),
        "load": load,
    }


def _processor() -> str:
    """Return the processor's name, or its architecture if the system doesn't name it."""
    file = Path("/proc/cpuinfo")
    for line in file.read_text().splitlines() if file.is_file() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return MISSING


def _chromium() -> str:
    """Return the version of the Chromium that is driven."""
    path = find_chromium()
    if path is None:
        return MISSING
    command = [path, "--version"]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    return next((word for word in completed.stdout.split() if word[0].isdigit()), "unknown")
