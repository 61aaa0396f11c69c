"""Every figure in the README, measured again by a command: ``python -m benchmarks``.

Absolute times drift with the machine, so a figure is a ratio of two things that
are measured by turns in one run, wherever there is something to compare with.
To add one: a function with the ``benchmark`` decorator in a file in ``figures/``.
"""

from .registry import Benchmark, Figure, NoFigure, benchmark, benchmarks

__all__ = ["Benchmark", "Figure", "NoFigure", "benchmark", "benchmarks"]
