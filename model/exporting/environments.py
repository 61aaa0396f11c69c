"""Programs that convert models, each in an environment of its own, made by ``make converters``.

They need other versions of packages than Loupe, and of Python.
"""

from collections.abc import Sequence
from pathlib import Path

from ..browser.programs import run_program
from ..errors import ConversionFailed, EngineUnavailable
from ..settings import ROOT

CONVERTERS_DIR = Path(__file__).parent / "converters"
"""Requirements of each environment, and per format its texts, scripts and sample programs."""

ENVIRONMENTS_DIR = ROOT / "build" / "converters"
"""The environments, one folder each, with the file ``.ready`` once all is installed."""

TIMEOUT_SECONDS = 1800


def find_converter(name: str) -> Path:
    """Return the Python of an environment.

    Raises:
        EngineUnavailable: it isn't installed.
    """
    folder = ENVIRONMENTS_DIR / name
    if not (folder / ".ready").is_file():
        raise EngineUnavailable(
            f"This export needs {name}, which isn't installed. Run: make converters"
        )
    return folder / "bin" / "python"


def run_converter(name: str, arguments: Sequence[str | Path], task: str) -> str:
    """Run Python in an environment; return what it prints.

    Args:
        name: the environment.
        arguments: Python's own.
        task: for an error: ``convert the network``.

    Raises:
        EngineUnavailable: the environment isn't installed.
        ConversionFailed: it failed.
    """
    # Isolated: neither the current folder nor PYTHONPATH has modules for it.
    command = [str(find_converter(name)), "-I", *map(str, arguments)]
    failure = f"{name} can't {task}"
    return run_program(command, failure, timeout=TIMEOUT_SECONDS, error=ConversionFailed).stdout
