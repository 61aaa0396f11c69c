"""What is installed here, found without importing any of it."""

import ast
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Literal

__all__ = ["Place", "installed_version", "place_of"]

Place = Literal[
    "defined", "passed on", "no such name", "no such module", "not installed", "unknown"
]
"""Where a name stands: in its module, in another one that its module imports it from, nowhere."""

MAX_SOURCE = 2**21
"""Bytes of a module that are read for its names."""

COMPILED = (".so", ".pyd")

STARRED = ("fastai", "fastcore", "fasttransform")
"""Packages whose modules import nearly everything with a star, and whose classes say where
they are defined: what is not defined in such a module is not exported by its name."""


def installed_version(package: str) -> str | None:
    """Return the version of a package that is installed here; None if it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@lru_cache(maxsize=4096)
def place_of(module: str, name: str) -> Place:
    """Return where ``module.name`` is defined. Neither it nor its parents are imported."""
    if not all(part.isidentifier() for part in module.split(".")):
        return "no such module"
    source, top = _source(module), module.partition(".")[0]
    if source is None:
        return "no such module" if _roots(top) or _is_file(top) else "not installed"
    if source.suffix != ".py":
        return "unknown"
    defined, imported, open_ended = _names(source)
    first = name.partition(".")[0]
    if not first or first in defined:
        return "defined"
    if first in imported:
        return "passed on"
    return "unknown" if open_ended and top not in STARRED else "no such name"


def _is_file(top: str) -> bool:
    spec = _spec(top)
    return spec is not None and bool(spec.origin)


def _spec(top: str) -> ModuleSpec | None:
    try:
        # Only of a first name: for a.b it would import a.
        return importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None


@lru_cache(maxsize=256)
def _roots(top: str) -> tuple[Path, ...]:
    spec = _spec(top)
    return tuple(map(Path, (spec and spec.submodule_search_locations) or ()))


def _source(module: str) -> Path | None:
    """Return the file of a module: Python, or compiled."""
    top, *inner = module.split(".")
    if not inner:
        spec = _spec(top)
        if spec is None:
            return None
        # A module that is part of Python itself has no file.
        return Path(spec.origin) if spec.origin and spec.has_location else Path(top + ".so")
    for root in _roots(top):
        folder = root.joinpath(*inner)
        for path in (folder.with_name(inner[-1] + ".py"), folder / "__init__.py"):
            if path.is_file():
                return path
        for path in folder.parent.glob(f"{inner[-1]}.*"):
            if path.suffix in COMPILED:
                return path
    return None


@lru_cache(maxsize=512)
def _names(source: Path) -> tuple[frozenset[str], frozenset[str], bool]:
    """Return names that a module defines, names it imports, and whether it may hold others."""
    try:
        if source.stat().st_size > MAX_SOURCE:
            return frozenset(), frozenset(), True
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return frozenset(), frozenset(), True
    defined: set[str] = set()
    imported: set[str] = set()
    for node in _statements(tree.body):
        _note(node, defined, imported)
    # A module may also hand out names by a function, as fastcore.transform does to refuse them.
    return (
        frozenset(defined),
        frozenset(imported),
        bool({"__getattr__", "*"} & (defined | imported)),
    )


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements at the top of a module, also those below an ``if`` or a ``try``."""
    for node in body:
        yield node
        for field in ("body", "orelse", "finalbody", "handlers"):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for inner in getattr(node, field, []):
                    if isinstance(inner, ast.stmt):
                        yield from _statements([inner])
                    elif isinstance(inner, ast.ExceptHandler):
                        yield from _statements(inner.body)


def _note(node: ast.stmt, defined: set[str], imported: set[str]) -> None:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        defined.add(node.name)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        defined.update(
            part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)
        )
    elif isinstance(node, ast.Import | ast.ImportFrom):
        imported.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        # fastai's mk_class("PadMode", ...) defines a class of that name.
        made = node.value.args[:1]
        if isinstance(node.value.func, ast.Name) and node.value.func.id == "mk_class":
            defined.update(
                str(one.value) for one in made if isinstance(one, ast.Constant) and one.value
            )
