"""Other programs, run to their end: their output, or the reason of a failure in a sentence."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import EngineUnavailable


def run_program(
    command: Sequence[str | Path],
    failure: str,
    *,
    timeout: float,
    error: type[Exception] = EngineUnavailable,
    reason: slice = slice(-1, None),
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it printed.

    Args:
        command: the program and its arguments.
        failure: the beginning of an error's message: ``npm couldn't fetch the runtime``.
        timeout: longest time, in seconds.
        error: the type of the error that is raised.
        reason: the lines of the program's own message that say why it failed.
        options: further ones of ``subprocess.run``.

    Raises:
        error: the program failed, or took too long.
    """
    try:
        completed = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False, **options
        )
    except subprocess.TimeoutExpired:
        raise error(f"{failure}: it took longer than {timeout:g} s.") from None
    except OSError as cause:
        raise error(f"{failure}: {cause}") from None
    if completed.returncode:
        lines = (completed.stderr.strip() or completed.stdout.strip()).splitlines()[reason]
        raise error(f"{failure}: {' '.join(lines).strip() or 'no reason given'}")
    return completed
