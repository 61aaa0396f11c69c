"""Python's own processes and files in tests."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from model.settings import ROOT


def run_python(
    *words: object, check: bool = True, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run Python in the project's folder; further options are those of ``subprocess.run``."""
    command = [sys.executable, *map(str, words)]
    options = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 60, **options}
    done: subprocess.CompletedProcess[str] = subprocess.run(command, check=check, **options)
    return done


def import_file(path: Path) -> ModuleType:
    """Import a Python file that belongs to no package."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
