"""Measure every published figure again: ``python -m benchmarks``.

Absolute times drift with the machine, so a figure is a ratio of two readings taken
alternately in one run, wherever there is something to compare with. To add one, write a
function with the ``benchmark`` decorator in a module in ``figures/``.
"""

from .registry import Benchmark, Figure, NotMeasured, benchmark, benchmarks

__all__ = ["Benchmark", "Figure", "NotMeasured", "benchmark", "benchmarks"]
