"""Routes that follow other platforms' contracts.

To add one: a module with ``routes()``, which returns no route on other platforms, and its name
in ``ADAPTERS``.
"""

from . import sagemaker, vertex

__all__ = ["ADAPTERS"]

ADAPTERS = (sagemaker, vertex)
