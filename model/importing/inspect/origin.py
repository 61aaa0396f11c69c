"""Traces in an export → where it was made: versions, Python, operating system. All inferred."""

import re
from collections.abc import Collection, Iterable, Mapping, Set

from .container import ExportFile
from .contents import Code, Contents

__all__ = ["infer_origin", "python_minor"]

CODE_ARGUMENTS = {15: "3.7 or older", 16: "3.8 to 3.10", 18: "3.11 or later"}
"""How many arguments make a code object, by the version of Python."""

RESUME = {149: "3.13", 128: "3.14"}
"""The first instruction of a function since 3.11; 151 in 3.11 and in 3.12."""

PRECALL_311 = 166
RETURN_CONST_312 = 121
RESUME_311_312 = 151
RETURN_VALUE = 83

PYTHON = re.compile(r"python(3\.\d{1,2})[/\\]|[/\\]Python(3)(\d{1,2})[/\\]|[/\\]cp3(\d\d)[/\\]")

PLACES = (
    (re.compile(r"^/kaggle/"), "Kaggle (Linux)"),
    (re.compile(r"^/content/|^/usr/local/lib/python3\.\d+/dist-packages/"), "Google Colab (Linux)"),
    (re.compile(r"^/(notebooks|storage)/"), "Paperspace (Linux)"),
    (re.compile(r"^[A-Za-z]:[\\/]"), "Windows"),
    (re.compile(r"^/Users/\w"), "macOS"),
    (re.compile(r"^/(home|root|mnt|usr)/"), "Linux"),
)


def infer_origin(export: ExportFile, contents: Contents) -> dict[str, str]:
    """Return what can be inferred: ``fastai``, ``torch``, ``python``, ``system`` and more."""
    modules = {module for module, _ in export.reading.names}
    names = {f"{module}.{name}" for module, name in export.reading.names}
    devices = {storage.location for storage in export.reading.storages.values()}
    found = {
        "fastai": _fastai(modules),
        "torch": _torch(export, modules),
        "numpy": _numpy(modules),
        "python": python_minor(contents) or "",
        "system": _system(names, contents.texts),
        "device": _device(devices),
    }
    return {name: value for name, value in found.items() if value}


def python_minor(contents: Contents) -> str | None:
    """Return the Python that compiled what the file carries: ``3.12``, or ``3.8 to 3.10``."""
    named = _named_python(contents.texts)
    counts = {CODE_ARGUMENTS.get(code.arguments) for code in contents.codes} - {None}
    if len(counts) != 1:
        return None if contents.codes else named
    (span,) = counts
    if span == CODE_ARGUMENTS[18]:
        exact = next((minor for code in contents.codes if (minor := _minor(code))), None)
        return exact or (named if named and int(named[2:]) >= 11 else span)
    return named if named and _within(named, str(span)) else span


def _within(minor: str, span: str) -> bool:
    number = int(minor[2:])
    return number <= 7 if span.startswith("3.7") else 8 <= number <= 10


def _minor(code: Code) -> str | None:
    """Return the exact version, where an instruction exists in one version alone."""
    steps = set(code.bytecode[::2])
    first = next((step for step in code.bytecode[::2] if step in (*RESUME, RESUME_311_312)), None)
    if first in RESUME:
        return RESUME[first]
    if first != RESUME_311_312:
        return None
    if PRECALL_311 in steps:
        return "3.11"
    return "3.12" if RETURN_CONST_312 in steps else None


def _named_python(texts: Iterable[str]) -> str | None:
    found = set()
    for text in texts:
        for match in PYTHON.finditer(text):
            dotted, three, minor, short = match.groups()
            found.add(dotted or (f"{three}.{minor}" if three else f"3.{int(short)}"))
    return found.pop() if len(found) == 1 else None


def _fastai(modules: Set[str]) -> str:
    if modules & {"fastai.basic_train", "fastai.basic_data", "fastai.data_block"}:
        return "1"
    if any(name.startswith(("fasttransform", "plum.")) for name in modules):
        return "2.8 or later"
    if modules & {"fastcore.transform", "fastcore.dispatch"}:
        return "2.0 to 2.7"
    return "2" if any(name.startswith("fastai.") for name in modules) else ""


def _torch(export: ExportFile, modules: Set[str]) -> str:
    if "byteorder" in export.records:
        return "2.1 or later"
    if export.format == "legacy":
        return "1.5 or older, or saved in its old format"
    if export.format == "zip":
        return "1.9 to 2.0" if "torch._tensor" in modules else "1.6 to 2.0"
    return ""


def _numpy(modules: Collection[str]) -> str:
    if any(name.startswith("numpy._core") for name in modules):
        return "2"
    return "1" if any(name.startswith("numpy.core") for name in modules) else ""


def _system(names: Collection[str], texts: Collection[str]) -> str:
    if "pathlib.WindowsPath" in names or "pathlib._local.WindowsPath" in names:
        return "Windows"
    for pattern, system in PLACES:
        if any(pattern.match(text) for text in texts):
            return system
    posix = {"pathlib.PosixPath", "pathlib._local.PosixPath"}
    return "Linux or macOS" if posix & set(names) else ""


def _device(devices: Collection[str]) -> str:
    kinds = sorted({device.split(":")[0] for device in devices} - {"cpu"})
    words: Mapping[str, str] = {"cuda": "an NVIDIA GPU", "mps": "an Apple GPU", "xla": "a TPU"}
    return ", ".join(words[kind] for kind in kinds if kind in words)
