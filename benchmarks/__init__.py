"""Measure every published figure again: ``python -m benchmarks``.

Absolute times drift with the machine, so a figure is a ratio of two readings taken
alternately in one run, wherever there is something to compare with. To add one, write a
function and a row in ``__main__.py``. Other modules with a ``main`` are commands of their own.
"""
