"""What is measured, by name; the files in ``figures/`` fill it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

__all__ = ["Benchmark", "Figure", "NoFigure", "benchmark", "benchmarks"]

Run = Callable[[bool], tuple[float, str]]
"""Takes whether to be quick; gives the value and how it came about."""


class NoFigure(Exception):
    """The figure cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What was found. ``value`` is None where nothing was measured: ``detail`` says why."""

    value: float | None
    target: float
    detail: str
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where nothing was measured."""
        if self.value is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A figure that can be measured.

    ``target`` is in ``unit`` and an upper bound, or a lower one with ``at_least``.
    """

    name: str
    measures: str
    target: float
    unit: str
    at_least: bool
    work: Run

    def run(self, quick: bool = False) -> Figure:
        """Measure, or say why that cannot be done. ``quick`` takes few, noisy readings."""
        try:
            value, detail = self.work(quick)
        except NoFigure as reason:
            return Figure(None, self.target, str(reason), self.at_least)
        except Exception as error:  # noqa: BLE001 - the other figures are still wanted
            detail = f"{type(error).__name__}: {str(error).strip()[:300]}"
            return Figure(None, self.target, detail, self.at_least)
        return Figure(value, self.target, detail, self.at_least)


_registry: dict[str, Benchmark] = {}


def benchmark(
    name: str, measures: str, *, target: float, unit: str = "×", at_least: bool = False
) -> Callable[[Run], Run]:
    """Register the function below as the figure ``name``."""

    def register(work: Run) -> Run:
        if name in _registry:
            raise ValueError(f"two figures are named {name!r}")
        _registry[name] = Benchmark(name, measures, target, unit, at_least, work)
        return work

    return register


def benchmarks() -> dict[str, Benchmark]:
    """All figures by name, as the files in ``figures/`` define them."""
    from . import figures

    for module in sorted(found.name for found in iter_modules(figures.__path__)):
        import_module(f"{figures.__name__}.{module}")
    return dict(_registry)
