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
    legacy,
    text,
    torch_zip,
)
from tests.zips import central, zipped

GETATTR = "\x80\x02 builtins:getattr"

RUN_BY_PYTHON = {
    "global": "os:system ( $sh tR.",
    "inst": "( $sh ios\nsystem\n.",
    "obj": "( os:system $sh o.",
    "subprocess": "\x80\x02 subprocess:Popen ]( 'touch $marker e\x85R.",
    "stack-global": '\x80\x04 "os "system \x93 $sh \x85R.',
    "stack-global-computed": '\x80\x04 builtins:str "os \x85R "system \x93 $sh \x85R.',
    "getattr-of-import": f"{GETATTR} builtins:__import__ 'os \x85R 'system \x86R $sh \x85R.",
    "partial": "\x80\x02 functools:partial os:system $sh \x86R)R.",
    "setitem": "\x80\x02 builtins:dict )R} 'x builtins:eval $py \x85Rsb.",
    "open": "\x80\x02 builtins:open $marker 'w \x86R.",
    "pathlib-touch": '\x80\x04 "pathlib "Path.touch \x93 pathlib:PosixPath $marker \x85R\x85R.',
    "eval": "\x80\x02 builtins:eval $py \x85R.",
}
"""Calls that Python's own unpickler runs, without torch and fastai."""

OTHER_CALLS = {
    "newobj": "\x80\x02 os:system $sh \x85\x81.",
    "newobj-ex": "\x80\x04 os:system $sh \x85}\x92.",
    "getattr": f"{GETATTR} fastai.imports:os 'system \x86R $sh \x85R.",
    "getattr-globals": f"{GETATTR} builtins:getattr fastai.learner:Learner '__init__ \x86R "
    "'__globals__ \x86R.",
    "methodcaller": "\x80\x02 operator:methodcaller 'system $sh \x86R fastai.imports:os \x85R.",
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
    names -= {"two-pickles", "torch-bytes", "large-memo"}
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
        "torch-bytes": assemble("\x80\x03 torch.storage:_load_from_bytes") + pushed + b"\x85R.",
        "base64": assemble(
            "\x80\x03 pickle:loads base64:b64decode $code \x85R\x85R.", code=encoded
        ),
    }


def _broken(inner: bytes) -> dict[str, bytes]:
    """The command runs before the unpickler notices that the file is damaged."""
    bare, size = inner[2:], struct.pack("<Q", len(inner) - 1)
    return {
        "then-nothing": inner,
        "then-underflow": inner + b"000000000.",
        "two-pickles": pickle.dumps([1, 2, 3]) + inner + b".",
        "deep": b"\x80\x02" + b"(" * 20_000 + bare + b"t" * 20_000 + b".",
        "long": b"\x80\x02" + b"N0" * 200_000 + bare + b".",
        "framed": b"\x80\x04\x95" + size + bare + b".",
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
        "zip-two-data": zipped([("archive/data.pkl", bad), ("archive/data.pkl", good)]),
        "zip-two-data-turned": zipped([("archive/data.pkl", good), ("archive/data.pkl", bad)]),
        "zip-two-cases": zipped([("archive/DATA.PKL", bad), ("archive/data.pkl", good)]),
        "zip-two-folders": zipped([("archive/data.pkl", good), ("other/data.pkl", bad)]),
        "zip-deeper": zipped([("archive/data.pkl", good), ("archive/x/data.pkl", bad)]),
        "zip-other-pickle": torch_zip(good, {"more.pkl": bad}),
        "zip-code": torch_zip(good, {"code/__torch__.py": command.encode(), "constants.pkl": bad}),
        "zip-python": torch_zip(good, {"evil.py": python}),
        "zip-other-name": honest.replace(b"archive/data.pkl", b"archive/data.pk_", 1),
        "zip-other-place": central(within, "archive/data.pkl", 42, inner),
        "zip-behind-pickle": bad + torch_zip(good),
        "zip-inside-zip": torch_zip(good, {"data/0": b"", "evil.pkl": evil}),
        "zip-with-comment": torch_zip(good)[:-2] + struct.pack("<H", len(evil)) + evil,
    }
