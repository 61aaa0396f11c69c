"""The benchmarks by name, registered by the modules in ``figures/``."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

__all__ = ["Benchmark", "Figure", "NotMeasured", "benchmark", "benchmarks"]

Run = Callable[[bool], tuple[float, str]]
"""Takes ``quick``; returns the value and a description of the measurement."""


class NotMeasured(Exception):
    """A figure can't be measured on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value and its target.

    ``value`` is None if it wasn't measured; ``detail`` then says why.
    """

    value: float | None
    target: float
    detail: str
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """True if the target is met; None if nothing was measured."""
        if self.value is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A named measurement with its target.

    ``target`` is in ``unit``: an upper bound, or a lower one with ``at_least``.
    """

    name: str
    measures: str
    target: float
    unit: str
    at_least: bool
    work: Run

    def run(self, quick: bool = False) -> Figure:
        """Return the figure, or one without a value if it can't be measured.

        Args:
            quick: take few, noisy readings.
        """
        try:
            value, detail = self.work(quick)
        except NotMeasured as reason:
            return Figure(None, self.target, str(reason), self.at_least)
        except Exception as error:  # noqa: BLE001 - one failure must not lose the other figures
            detail = f"{type(error).__name__}: {str(error).strip()[:300]}"
            return Figure(None, self.target, detail, self.at_least)
        return Figure(value, self.target, detail, self.at_least)


_registry: dict[str, Benchmark] = {}


def benchmark(
    name: str, measures: str, *, target: float, unit: str = "×", at_least: bool = False
) -> Callable[[Run], Run]:
    """Register the decorated function as the benchmark ``name``."""

    def register(work: Run) -> Run:
        if name in _registry:
            raise ValueError(f"there are two benchmarks named {name!r}")
        _registry[name] = Benchmark(name, measures, target, unit, at_least, work)
        return work

    return register


def benchmarks() -> dict[str, Benchmark]:
    """Return all benchmarks by name, importing the modules in ``figures/``."""
    from . import figures

    for module in sorted(module.name for module in iter_modules(figures.__path__)):
        import_module(f"{figures.__name__}.{module}")
    return dict(_registry)
