"""Files that run a command when Python, torch or fastai loads them; Loupe must never do so.

Each would create the marker file if its pickle were loaded by one reader or another.
"""

import base64
import pickle
import struct
import zipfile
from pathlib import Path

from tests.model.importing.inspect.pickles import (
    Called,
    assemble,
    directory_entry,
    legacy,
    text,
    torch_zip,
    zip_of,
)


def payloads(marker: Path) -> dict[str, bytes]:
    """Return hostile files by their method; each would create ``marker``."""
    command = f"touch {marker}"
    source = f"open({str(marker)!r}, 'w').close()"
    return {
        **_globals(command),
        **{name: assemble(words, command) for name, words in {**SPELLINGS, **REACHED}.items()},
        "after-unknown-name": b"\x80\x02cm\xc3\xb6dul\nname\n0" + _call("os:system", command)[2:],
        "reduce-function": assemble("\x80\x02 functools:reduce builtins:eval ( $ }l\x86R.", source),
        "setitem": pickle.dumps(Called(dict, state={"x": Called(eval, source)}), 2),
        "cloudpickle": _cloudpickled(command),
        **{function: _call(function, source) for function in EVALUATED},
        "open": assemble("\x80\x02 builtins:open $ 'w \x86R.", str(marker)),
        "pathlib-touch": assemble(
            '\x80\x04 "pathlib "Path.touch \x93 pathlib:PosixPath $ \x85R\x85R.', str(marker)
        ),
        **_nested(command),
        **_broken(command),
        **_zips(command),
        **{
            f"legacy-{place}": legacy(
                *(_call("os:system", command) if at == place else b"" for at in range(5))
            )
            for place in range(5)
        },
        **{function: _call(function, str(marker.parent)) for function in FETCHED},
    }


def _call(function: str, argument: str) -> bytes:
    """Return a call in protocol 2, as most exports are written."""
    return assemble(f"\x80\x02 {function} $ \x85R.", argument)


def _globals(command: str) -> dict[str, bytes]:
    """The plain ways, in all protocols."""
    argument = f"(S'{command}'\n"
    pickled = {
        f"reduce-{protocol}": pickle.dumps(Called(__import__("os").system, command), protocol)
        for protocol in range(6)
    }
    functions = "posix:system nt:system os:popen commands:getoutput subprocess:getoutput".split()
    return {
        **pickled,
        "global-0": f"cos\nsystem\n{argument}tR.".encode(),
        "inst": f"{argument}ios\nsystem\n.".encode(),
        "obj": assemble("( os:system $ o.", command),
        "newobj": assemble("\x80\x02 os:system $ \x85\x81.", command),
        "newobj-ex": assemble("\x80\x04 os:system $ \x85}\x92.", command),
        "subprocess": pickle.dumps(Called(__import__("subprocess").Popen, command.split()), 4),
        **{function: _call(function, command) for function in functions},
    }


SPELLINGS = {
    "stack-global": '\x80\x04 "os "system \x93 $4 \x85R.',
    "stack-global-memo": '\x80\x04 "system \x94 "os \x9400h\x01h\x00\x93 $4 \x85R.',
    "stack-global-put": '\x80\x04 "system q\x07 "os q\xff00h\xffh\x07\x93 $4 \x85R.',
    "stack-global-overwritten": '\x80\x04 "math q\x000 "os q\x000h\x00 "system \x93 $4 \x85R.',
    "stack-global-dup": '\x80\x04 "os 20 "system \x93 $4 \x85R.',
    "stack-global-dotted": '\x80\x04 "fastai.imports "os.system \x93 $4 \x85R.',
    "stack-global-unicode": "\x80\x04Vo\\u0073\nV\\u0073ystem\n\x93 $4 \x85R.",
    "stack-global-escaped": "\x80\x04S'o\\x73'\nS'\\x73ystem'\n\x93 $4 \x85R.",
    "stack-global-computed": '\x80\x04 builtins:str "os \x85R "system \x93 $4 \x85R.',
    "stack-global-list": '\x80\x04]( "os "system e0 "os "system \x93 $4 \x85R.',
    "mark-and-pop": '\x80\x04(( "x 1 "os "system \x93 $4 \x85R.',
}
"""Names that are built on the stack."""

GETATTR = "\x80\x02 builtins:getattr"

REACHED = {
    "getattr": f"{GETATTR} fastai.imports:os 'system \x86R $ \x85R.",
    "getattr-of-import": f"{GETATTR} builtins:__import__ 'os \x85R 'system \x86R $ \x85R.",
    "getattr-subclasses": f"{GETATTR} builtins:object '__subclasses__ \x86R)R.",
    "getattr-globals": f"{GETATTR} builtins:getattr fastai.learner:Learner '__init__ \x86R "
    "'__globals__ \x86R.",
    "partial": "\x80\x02 functools:partial os:system $ \x86R)R.",
    "methodcaller": "\x80\x02 operator:methodcaller 'system $ \x86R fastai.imports:os \x85R.",
    "attrgetter": "\x80\x02 operator:attrgetter 'system \x85R fastai.imports:os \x85R $ \x85R.",
    "map": "\x80\x02 builtins:list builtins:map os:system ( $ l\x86R\x85R.",
    "rebuild": "\x80\x02 torch._tensor:_rebuild_from_type_v2 ( os:system torch:Tensor $ \x85}tR.",
    "copyreg": "\x80\x02 copyreg:__newobj__ os:system $ \x86R.",
    "numpy-reconstruct": "\x80\x02 numpy._core.multiarray:_reconstruct ( os:system $ \x85 'b tR.",
    "build-setstate": "\x80\x02 fastai.learner:Learner )\x81} '__setstate__ os:system sb $ b.",
    "build-class": "\x80\x02 fastai.learner:Learner N} '__setstate__ os:system s\x86b "
    "fastai.learner:Learner )\x81 $ b.",
    "in-a-learner": "\x80\x02 fastai.learner:Learner )\x81}( 'dls os:system $ \x85Rub.",
    "subimport": "\x80\x02 cloudpickle.cloudpickle:subimport 'os \x85Rq\x000 builtins:getattr "
    "h\x00 'system \x86R $ \x85R.",
    "extension": "\x80\x02\x82* $ \x85R.",
    "persistent-module": "\x80\x02( 'module os:system 'a 'b tQ $ \x85R.",
}
"""Functions that are reached through others."""

EVALUATED = (
    "builtins:eval builtins:exec __builtin__:eval fastcore.basics:exec_new pandas:eval "
    "timeit:timeit cProfile:run pdb:run code:interact doctest:debug_script "
    "numpy.testing._private.utils:runstring"
).split()
"""Functions that run source, a module or a file."""

FETCHED = (
    "runpy:run_path importlib:import_module builtins:__import__ webbrowser:open "
    "torch.hub:load torch:load torch.serialization:load "
    "torch.utils.cpp_extension:load_inline fastai.learner:load_learner fastcore.xtras:run "
    "numpy:load pandas:read_pickle joblib:load pip._internal.cli.main:main pty:spawn "
    "shutil:rmtree ctypes:CDLL socket:create_connection sys:modules marshal:loads "
    "asyncio:create_subprocess_shell multiprocessing.util:spawnv_passfds pydoc:pipepager "
    "test.support.script_helper:assert_python_ok"
).split()
"""Functions that fetch or load code from elsewhere."""


def _cloudpickled(command: str) -> bytes:
    import cloudpickle

    def run() -> None:
        import os

        os.system(command)

    # Seen as of a notebook, so that its code is written into the file.
    run.__module__ = "__main__"
    return b"\x80\x04" + cloudpickle.dumps(run, 4)[2:-1] + b")R."


def _nested(command: str) -> dict[str, bytes]:
    """A pickle inside of a pickle."""
    inner = _call("os:system", command)
    twice = Called(pickle.loads, pickle.dumps(Called(pickle.loads, inner)))
    encoded = base64.b64encode(inner).decode()
    pushed = b"C" + bytes([len(inner)]) + inner
    return {
        "loads": pickle.dumps(Called(pickle.loads, inner), 4),
        "loads-2": pickle.dumps(Called(pickle.loads, inner), 2),
        "loads-twice": pickle.dumps(twice, 4),
        "torch-bytes": assemble("\x80\x03 torch.storage:_load_from_bytes") + pushed + b"\x85R.",
        "base64": assemble("\x80\x03 pickle:loads base64:b64decode $ \x85R\x85R.", encoded),
    }


def _broken(command: str) -> dict[str, bytes]:
    """The command runs before the unpickler notices that the file is damaged."""
    inner = _call("os:system", command)[:-1]
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


def _zips(command: str) -> dict[str, bytes]:
    """In torch's zip, and in zips that break its rules."""
    bad, good = _call("os:system", command), pickle.dumps({}, 2)
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
