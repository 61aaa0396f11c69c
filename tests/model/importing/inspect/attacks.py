"""Files that run a command when Python, torch or fastai loads them; Loupe must never do so.

Tables hold pickles in the words of ``assemble``. ``$sh`` and ``$py`` would create the
marker file, as a shell command and as Python.
"""

import base64
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

from tests.model.importing.inspect.pickles import (
    Called,
    assemble,
    directory_entry,
    legacy,
    text,
    torch_zip,
    zip_of,
)

GETATTR = "\x80\x02 builtins:getattr"

RUN_BY_PYTHON = {
    "global": "os:system ( $sh tR.",
    "inst": "( $sh ios\nsystem\n.",
    "obj": "( os:system $sh o.",
    "subprocess": "\x80\x02 subprocess:Popen ]( 'touch $marker e\x85R.",
    "stack-global": '\x80\x04 "os "system \x93 $sh \x85R.',
    "stack-global-memo": '\x80\x04 "system \x94 "os \x9400h\x01h\x00\x93 $sh \x85R.',
    "stack-global-put": '\x80\x04 "system q\x07 "os q\xff00h\xffh\x07\x93 $sh \x85R.',
    "stack-global-overwritten": '\x80\x04 "math q\x000 "os q\x000h\x00 "system \x93 $sh \x85R.',
    "stack-global-dup": '\x80\x04 "os 20 "system \x93 $sh \x85R.',
    "stack-global-unicode": "\x80\x04Vo\\u0073\nV\\u0073ystem\n\x93 $sh \x85R.",
    "stack-global-escaped": "\x80\x04S'o\\x73'\nS'\\x73ystem'\n\x93 $sh \x85R.",
    "stack-global-computed": '\x80\x04 builtins:str "os \x85R "system \x93 $sh \x85R.',
    "stack-global-list": '\x80\x04]( "os "system e0 "os "system \x93 $sh \x85R.',
    "mark-and-pop": '\x80\x04(( "x 1 "os "system \x93 $sh \x85R.',
    "getattr-of-import": f"{GETATTR} builtins:__import__ 'os \x85R 'system \x86R $sh \x85R.",
    "partial": "\x80\x02 functools:partial os:system $sh \x86R)R.",
    "map": "\x80\x02 builtins:list builtins:map os:system ( $sh l\x86R\x85R.",
    "setitem": "\x80\x02 builtins:dict )R} 'x builtins:eval $py \x85Rsb.",
    "reduce-function": "\x80\x02 functools:reduce builtins:eval ( $py }l\x86R.",
    "open": "\x80\x02 builtins:open $marker 'w \x86R.",
    "pathlib-touch": '\x80\x04 "pathlib "Path.touch \x93 pathlib:PosixPath $marker \x85R\x85R.',
    "eval": "\x80\x02 builtins:eval $py \x85R.",
}
"""Calls that Python's own unpickler runs, without torch and fastai."""

OTHER_CALLS = {
    "newobj": "\x80\x02 os:system $sh \x85\x81.",
    "newobj-ex": "\x80\x04 os:system $sh \x85}\x92.",
    "after-unknown-name": "\x80\x02 m\u00f6dul:name 0 os:system $sh \x85R.",
    "stack-global-dotted": '\x80\x04 "fastai.imports "os.system \x93 $sh \x85R.',
    "getattr": f"{GETATTR} fastai.imports:os 'system \x86R $sh \x85R.",
    "getattr-subclasses": f"{GETATTR} builtins:object '__subclasses__ \x86R)R.",
    "getattr-globals": f"{GETATTR} builtins:getattr fastai.learner:Learner '__init__ \x86R "
    "'__globals__ \x86R.",
    "methodcaller": "\x80\x02 operator:methodcaller 'system $sh \x86R fastai.imports:os \x85R.",
    "attrgetter": "\x80\x02 operator:attrgetter 'system \x85R fastai.imports:os \x85R $sh \x85R.",
    "rebuild": "\x80\x02 torch._tensor:_rebuild_from_type_v2 ( os:system torch:Tensor $sh \x85}tR.",
    "copyreg": "\x80\x02 copyreg:__newobj__ os:system $sh \x86R.",
    "numpy-reconstruct": "\x80\x02 numpy._core.multiarray:_reconstruct ( os:system $sh \x85 'b tR.",
    "build-setstate": "\x80\x02 fastai.learner:Learner )\x81} '__setstate__ os:system sb $sh b.",
    "build-class": "\x80\x02 fastai.learner:Learner N} '__setstate__ os:system s\x86b "
    "fastai.learner:Learner )\x81 $sh b.",
    "in-a-learner": "\x80\x02 fastai.learner:Learner )\x81}( 'dls os:system $sh \x85Rub.",
    "subimport": "\x80\x02 cloudpickle.cloudpickle:subimport 'os \x85Rq\x000 builtins:getattr "
    "h\x00 'system \x86R $sh \x85R.",
    "extension": "\x80\x02\x82* $sh \x85R.",
    "persistent-module": "\x80\x02( 'module os:system 'a 'b tQ $sh \x85R.",
}

FUNCTIONS = (
    "posix:system nt:system os:popen commands:getoutput subprocess:getoutput builtins:exec "
    "__builtin__:eval fastcore.basics:exec_new pandas:eval timeit:timeit cProfile:run pdb:run "
    "code:interact doctest:debug_script numpy.testing._private.utils:runstring runpy:run_path "
    "importlib:import_module builtins:__import__ webbrowser:open torch.hub:load torch:load "
    "torch.serialization:load torch.utils.cpp_extension:load_inline fastai.learner:load_learner "
    "fastcore.xtras:run numpy:load pandas:read_pickle joblib:load pip._internal.cli.main:main "
    "pty:spawn shutil:rmtree ctypes:CDLL socket:create_connection sys:modules marshal:loads "
    "asyncio:create_subprocess_shell multiprocessing.util:spawnv_passfds pydoc:pipepager "
    "test.support.script_helper:assert_python_ok"
).split()
"""Functions that run, evaluate or fetch code."""


def calls(marker: Path) -> dict[str, bytes]:
    """Return bare pickles and torch files that call a function when they are loaded, by name."""
    arguments = {
        "sh": f"touch {marker}",
        "py": f"open({str(marker)!r}, 'w').close()",
        "marker": str(marker),
    }
    system = Called(__import__("os").system, arguments["sh"])
    call = pickle.dumps(system, 2)
    places = [tuple(call if at == place else b"" for at in range(5)) for place in range(5)]
    return {
        **{f"reduce-{protocol}": pickle.dumps(system, protocol) for protocol in range(6)},
        **{
            name: assemble(words, **arguments)
            for name, words in {**RUN_BY_PYTHON, **OTHER_CALLS}.items()
        },
        **{name: assemble(f"\x80\x02 {name} $marker \x85R.", **arguments) for name in FUNCTIONS},
        "cloudpickle": _cloudpickled(arguments["sh"]),
        **_nested(call),
        **_broken(call[:-1]),
        **_zips(call, arguments["sh"]),
        **{f"legacy-{place}": legacy(*pickles) for place, pickles in enumerate(places)},
    }


def runs(marker: Path) -> dict[str, bytes]:
    """Return the files of ``calls`` that Python's own unpickler runs."""
    call = pickle.dumps(Called(__import__("os").system, f"touch {marker}"), 2)
    names = {*RUN_BY_PYTHON, "cloudpickle", *_broken(call), *_nested(call)}
    names |= {f"reduce-{protocol}" for protocol in range(6)}
    # Preceded by another pickle, or not read as far by Python's unpickler without torch.
    names -= {"two-pickles", "nothing-then-pickle", "torch-bytes", "frame-too-long", "large-memo"}
    return {name: data for name, data in calls(marker).items() if name in names}


def _cloudpickled(command: str) -> bytes:
    import cloudpickle

    def run() -> None:
        import os

        os.system(command)

    # Seen as of a notebook, so that its code is written into the file.
    run.__module__ = "__main__"
    return b"\x80\x04" + cloudpickle.dumps(run, 4)[2:-1] + b")R."


def _nested(inner: bytes) -> dict[str, bytes]:
    """A pickle inside of a pickle."""
    loads: Any = pickle.loads
    pushed = b"C" + bytes([len(inner)]) + inner
    encoded = base64.b64encode(inner).decode()
    return {
        "loads": pickle.dumps(Called(loads, inner), 4),
        "loads-2": pickle.dumps(Called(loads, inner), 2),
        "loads-twice": pickle.dumps(Called(loads, pickle.dumps(Called(loads, inner))), 4),
        "torch-bytes": assemble("\x80\x03 torch.storage:_load_from_bytes") + pushed + b"\x85R.",
        "base64": assemble(
            "\x80\x03 pickle:loads base64:b64decode $code \x85R\x85R.", code=encoded
        ),
    }


def _broken(inner: bytes) -> dict[str, bytes]:
    """The command runs before the unpickler notices that the file is damaged."""
    bare, size = inner[2:], struct.pack("<Q", len(inner) - 1)
    return {
        "then-unknown-opcode": inner + b"\xfe\xfe\xfe",
        "then-nothing": inner,
        "then-underflow": inner + b"000000000.",
        "then-bad-get": inner + b"h\x63.",
        "then-short-text": inner + b"X\xff\xff\xff\x7fabc",
        "two-pickles": pickle.dumps([1, 2, 3]) + inner + b".",
        "nothing-then-pickle": pickle.dumps(None) * 3 + inner + b".",
        "deep": b"\x80\x02" + b"(" * 20_000 + bare + b"t" * 20_000 + b".",
        "deep-lists": b"\x80\x02" + b"]" * 20_000 + bare + b"a" * 20_000 + b".",
        "long": b"\x80\x02" + b"N0" * 200_000 + bare + b".",
        "framed": b"\x80\x04\x95" + size + bare + b".",
        "frame-too-long": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + bare + b".",
        "large-memo": b"\x80\x02" + text("x") + b"r\xff\xff\xff\x7f0" + bare + b".",
    }


def _zips(bad: bytes, command: str) -> dict[str, bytes]:
    """In torch's zip, and in zips that break its rules."""
    good = pickle.dumps({}, 2)
    evil = torch_zip(bad)
    honest = torch_zip(good, {"data/0": bad})
    # A whole part of that name lies inside of another part.
    within = torch_zip(good, {"data/0": torch_zip(bad)})
    inner = struct.pack("<I", within.index(b"PK\x03\x04", within.index(b"archive/data/0")))
    python = f"import os; os.system({command!r})".encode()
    return {
        "zip": evil,
        "zip-packed": torch_zip(bad, method=zipfile.ZIP_DEFLATED),
        "zip-two-data": zip_of(("archive/data.pkl", bad), ("archive/data.pkl", good)),
        "zip-two-data-turned": zip_of(("archive/data.pkl", good), ("archive/data.pkl", bad)),
        "zip-two-cases": zip_of(("archive/DATA.PKL", bad), ("archive/data.pkl", good)),
        "zip-two-folders": zip_of(("archive/data.pkl", good), ("other/data.pkl", bad)),
        "zip-deeper": zip_of(("archive/data.pkl", good), ("archive/x/data.pkl", bad)),
        "zip-other-pickle": torch_zip(good, {"more.pkl": bad}),
        "zip-code": torch_zip(good, {"code/__torch__.py": command.encode(), "constants.pkl": bad}),
        "zip-python": torch_zip(good, {"evil.py": python}),
        "zip-other-name": honest.replace(b"archive/data.pkl", b"archive/data.pk_", 1),
        "zip-other-place": directory_entry(within, "archive/data.pkl", 42, inner),
        "zip-behind-pickle": bad + torch_zip(good),
        "zip-inside-zip": torch_zip(good, {"data/0": b"", "evil.pkl": evil}),
        "zip-with-comment": torch_zip(good)[:-2] + struct.pack("<H", len(evil)) + evil,
    }
