"""Files made against Loupe's own reader: its allowed classes, its placeholders, its containers.

Each is a file whose object is a network, weights or a learner, unlike anything that torch or
fastai writes. Where code is named, it would create the marker file if anything called it.
"""

import functools
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

from tests.model.importing.inspect.pickles import (
    assemble,
    glob,
    legacy,
    text,
    torch_zip,
)
from tests.zips import central, zipped

SEQUENTIAL = ("torch.nn.modules.container", "Sequential")
LINEAR = ("torch.nn.modules.linear", "Linear")
CONV = ("torch.nn.modules.conv", "Conv2d")

LAYERS = (
    "torch.nn.modules.module:Module.__init__ "
    "torch.nn.modules.linear:Linear.forward.__globals__ "
    "torch.nn.modules.container:operator torch.nn.modules.linear_:Linear "
    "torch.nn.modules.l\u0456near:Linear torch.nn.modules.linear:Linear2 "
    "torch.nn.modules.lazy:LazyModuleMixin torch.fx.graph_module:GraphModule "
    "timm.models.hub:load_model_config_from_hf timm.models._helpers:load_checkpoint "
    "fastai.layers:os fastai.layers:Path fastai.vision.learner:Learner fastai.layers:Debugger"
).split()
"""Names similar to those of layers on the allow-list."""

OBJECTS = {
    # BUILD sets attributes unless a class refuses, such as those of a checked storage.
    "build-storage": "{storage} ]( 'FloatStorage '0 'cpu \x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff"
    "\x00eb",
    "build-emulation": "builtins:getattr N}( 'emulate os:system u\x86b $sh \x85R",
    "build-emulation-known": "builtins:getattr N}( 'known os:system u\x86b)R",
    "build-class": "torch:FloatStorage } 'name 'x sb",
    "build-ordered": "collections:OrderedDict )R}( 'items os:system 'keys os:system ub",
    "build-list": "]} 'append os:system sb",
    "slots": "fastai.learner:Learner )\x81N} 'args os:system s\x86b",
    "items-of-class": "fastai.learner:Learner 'a os:system s",
    "append-to-class": "fastai.learner:Learner os:system a",
    "new-of-object": "fastai.learner:Learner )R)\x81",
    "new-of-container": "builtins:dict ] os:system a\x85\x81",
    "called-container": "builtins:set ]](a\x85R",
    "called-result": "fastai.learner:Learner )R $sh \x85R",
    "extension-1": "\x82\x01",
    "persistent-text": "Pposix\nsystem\n",
    "persistent-number": "K\x01Q",
    "persistent-deep": "( 'storage {storage} tQ",
    "persistent-module-name": "( 'module 'os tQ $sh \x85R",
    "memo-missing": "h\x63",
    "memo-giant": "]r\xff\xff\xff\x7f0j\xff\xff\xff\x7fj\xfe\xff\xff\xff",
    "long-giant": "\x8b\xff\xff\xff\x7f\x01",
    "text-giant": "\x8d\x00\x00\x00\x00\x00\x00\x00\x40x",
    "buffer-outside": "\x97\x98",
    "name-no-utf8": "c\xff\xfe\n\xff\nN\x86",
    "dictionary-as-key": "}}Ns}}Ns",
    "list-in-itself": "]q\x01h\x01a",
    "import-python-2": "__builtin__:execfile $sh \x85R",
}
"""Instructions that reach into the reader's own objects, or ask for too much."""


def layer(module: str, name: str, /, **state: bytes) -> bytes:
    """Return a layer as a pickle makes it: NEWOBJ, then its state."""
    parts = {"_modules": b"}", "_parameters": b"}", "_buffers": b"}", **state}
    named = b"".join(text(key) + value for key, value in parts.items())
    return b"\x80\x04" + text(module) + text(name) + b"\x93)\x81}(" + named + b"ub"


def storage(
    key: str = "0", size: bytes = b"K\x06", kind: str = "torch:FloatStorage", view: bytes = b""
) -> bytes:
    """Return the reference to a tensor's numbers, in torch's persistent ids."""
    return assemble(f"( 'storage {kind} '{key} 'cpu") + size + view + b"tQ"


def pushed(value: Any) -> bytes:
    """Return the instructions that push a plain value."""
    return pickle.dumps(value, 2)[2:-1]


def tensor(
    numbers: bytes,
    shape: bytes = b"K\x02K\x03\x86",
    strides: bytes = b"K\x03K\x01\x86",
    offset: int = 0,
) -> bytes:
    """Return a call that builds a tensor: [2, 3]."""
    arguments = b"(" + numbers + pushed(offset) + shape + strides + b"\x89}t"
    return glob("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def view(shape: Any, strides: Any, offset: int = 0) -> bytes:
    """Return a call that builds a tensor of the usual six numbers."""
    return tensor(storage(), pushed(shape), pushed(strides), offset)


def _zipped(root: bytes) -> bytes:
    return torch_zip(b"\x80\x02" + root + b".", {"data/0": bytes(24)})


def _in_network(child: bytes) -> bytes:
    return _zipped(_around(child))


def _around(inner: bytes) -> bytes:
    return layer(*SEQUENTIAL, _modules=b"}" + text("0") + inner + b"s")


def _twice_around(inner: bytes, number: int) -> bytes:
    """Return a layer that contains another one twice, the second time by reference."""
    again = b"q" + bytes([number]) + b"s" + text("1") + b"h" + bytes([number])
    return layer(*SEQUENTIAL, _modules=b"}" + text("0") + inner + again + b"s")


def _with_weight(weight: bytes) -> bytes:
    return layer(*LINEAR, _parameters=b"}" + text("weight") + weight + b"s")


REASONS = {
    "loop-by-memo": "contains itself",
    "nested": "nests its layers",
    "doubled": "repeats its layers",
    "state-hooks-of-calls": "A hook changes",
    "state-hooks-no-dict": "A hook changes",
    "state-forward-called": "replaces forward",
    "misplaced": "not a layer",
    "weight-beyond": "beyond the numbers",
    "weight-offset": "beyond the numbers",
    "weight-expanded": "more numbers than",
    "weight-negative": "contradicts itself",
    "weight-backwards": "of whole numbers",
    "weight-dimensions": "of whole numbers",
    "weight-no-shape": "of whole numbers",
    "shared": "uses the same weights",
    "constructed": "torch makes no layers",
}
"""The sentences by which some networks are refused."""


def networks(marker: Path) -> dict[str, bytes]:
    """Return networks: names similar to allowed ones, misused classes, impossible tensors."""
    system = glob("os", "system")
    called = assemble("os:system $sh \x85R", sh=f"touch {marker}")
    states: dict[str, dict[str, bytes]] = {
        "call-impl": {"_call_impl": system},
        "parameters-method": {"named_parameters": system},
        "forward-called": {"forward": called},
        "hooks-of-calls": {"_forward_hooks": b"}K\x00" + called + b"s"},
        "hooks-no-dict": {"_forward_pre_hooks": b"K\x01"},
        "modules-list": {"_modules": b"]"},
        "modules-called": {"_modules": called},
        "parameters-list": {"_parameters": b"]K\x01a"},
        "buffer-called": {"_buffers": b"}" + text("mean") + called + b"s"},
        "buffers-set-called": {"_non_persistent_buffers_set": called, "_buffers": b"}K\x00Ns"},
    }
    usual = storage()
    of_os = assemble("torch._tensor:_rebuild_from_type_v2 ( os:system torch:Tensor 'x \x85}tR")
    deep = glob("torch._utils", "_rebuild_parameter") * 9 + tensor(usual) + b"\x85R" * 9
    integers = tensor(storage(kind="torch:LongStorage"))
    weights = {
        "no-storage": tensor(text("0")),
        "storage-called": tensor(called),
        "unknown-type": tensor(storage(kind="torch:ComplexDoubleStorage")),
        "negative-size": tensor(storage(size=b"J\xff\xff\xff\xff")),
        "size-a-text": tensor(storage(size=text("many"))),
        "view-of-view": tensor(storage(view=b"(" + text("v") + b"K\x00K\x06t")),
        "larger-storage": tensor(storage(size=b"J\xff\xff\xff\x0f")),
        "missing-storage": tensor(storage(key="1")),
        "outside-key": tensor(storage(key="../../../etc/passwd")),
        "shape-true": tensor(usual, b"\x88\x88\x86", b"K\x01K\x01\x86"),
        "shape-called": tensor(usual, called),
        "giant-shape": tensor(usual, b"\x8a\x06\xff\xff\xff\xff\xff\x7fK\x03\x86"),
        "quantized": glob("torch._utils", "_rebuild_qtensor") + b"(" + usual + b"K\x00))tR",
        "subclass-of-os": of_os,
        "parameters-deep": deep,
        "beyond": view((100, 100), (100, 1)),
        "offset": view((2, 3), (3, 1), 99),
        "expanded": view((10**6, 10**6), (0, 0)),
        "negative": view((2, 3), (3, 1), -1),
        "backwards": view((2, 3), (-3, -1), 5),
        "dimensions": view((1,) * 99, (1,) * 99),
        "no-shape": view("ab", "ab"),
        "two-types": b"]" + tensor(usual) + b"a0" + integers,
    }
    loop = layer(*SEQUENTIAL, _modules=b"}q\x05").replace(b"\x81}(", b"\x81q\x06}(", 1)
    linear = glob(*LINEAR)
    # Views of one storage that would be copied a thousand times.
    large = tensor(storage("9", pushed(10_000)), pushed((100, 100)), pushed((100, 1)))
    buffers = b"".join(text(f"buffer{number}") + large + b"s" for number in range(1000))
    empty = layer(*SEQUENTIAL)
    appended = linear + b")\x81](K\x01K\x02e0}(" + text("_modules") + b"}ubK\x01a"
    return {
        "line-break": _in_network(layer("torch.nn.modules.linear\n", "Linear")),
        **{name: _in_network(layer(*name.split(":"))) for name in LAYERS},
        **{f"state-{key}": _in_network(layer(*CONV, **state)) for key, state in states.items()},
        **{f"weight-{key}": _in_network(_with_weight(value)) for key, value in weights.items()},
        "loop-by-memo": _zipped(loop[:-2] + assemble("'_modules } '0 h\x06sub")),
        "constructed": _in_network(linear + b"J\xff\xff\xff\x7fK\x01\x86R"),
        "new-with-arguments": _in_network(linear + b"K\x05\x85\x81}b"),
        "appended-to": _in_network(appended),
        "misplaced": _in_network(pushed({"not": "a layer"})),
        "shared": _in_network(layer(*SEQUENTIAL, _buffers=b"}" + buffers)),
        "nested": _zipped(functools.reduce(lambda inner, _: _around(inner), range(100), empty)),
        # Thirty layers that expand to a thousand million.
        "doubled": _zipped(functools.reduce(_twice_around, range(30), empty)),
    }


def objects(marker: Path) -> dict[str, bytes]:
    """Return files of ``OBJECTS``."""
    usual = "( 'storage torch:FloatStorage '0 'cpu K\x06tQ"
    return {
        name: torch_zip(
            b"\x80\x02" + assemble(words.replace("{storage}", usual), sh=f"touch {marker}") + b"."
        )
        for name, words in OBJECTS.items()
    }


def containers(marker: Path) -> dict[str, bytes]:
    """Return torch's two containers and safetensors, beside what torch makes."""
    good = b"\x80\x02" + _with_weight(tensor(storage())) + b"."
    plain = torch_zip(good, {"data/0": bytes(24)})
    outside = {"archive/data.pkl": good, "archive/data/0": bytes(24), "byteorder": b"little"}
    flags = plain.replace(b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00\x01\x00", 1)
    keys = pickle.dumps(["0"], 2)
    old = legacy(b"", b"", b"", good, keys)
    count = struct.pack("<q", 6)
    turned = pickle.dumps({"little_endian": False, "protocol_version": 1001, "type_sizes": {}}, 2)
    called = assemble("\x80\x02 os:system $sh \x85R.", sh=f"touch {marker}")
    header = json.dumps({"a": {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}}).encode()
    twice = header[:-1] + b", " + header[1:]
    return {
        "zip-encrypted": central(flags, "archive/data.pkl", 8, b"\x01\x00"),
        "zip-method": central(plain, "archive/data.pkl", 10, b"\x63\x00"),
        "zip-giant-part": central(plain, "archive/data/0", 24, b"\xff\xff\xff\xfe"),
        "zip-small-part": torch_zip(good, {"data/0": bytes(20)}),
        "zip-large-part": torch_zip(good, {"data/0": bytes(28)}),
        "zip-no-part": torch_zip(good),
        "zip-packed-part": torch_zip(good, {"data/0": bytes(2**20)}, zipfile.ZIP_DEFLATED),
        "zip-outside": torch_zip(good, {"data/0": bytes(24), "../../evil.py": b"x"}),
        "zip-big-endian": torch_zip(good, {"data/0": bytes(24), "byteorder": b"big"}),
        "zip-byteorder-outside": zipped(outside),
        "zip-byteorder-large": torch_zip(good, {"data/0": bytes(24), "byteorder": bytes(2**20)}),
        "zip-cut": plain[:-30],
        "zip-offset": central(plain, "archive/data/0", 42, b"\xff\xff\xff\x7f"),
        "legacy-more-keys": legacy(b"", b"", b"", good, pickle.dumps(["0", "1"], 2)),
        "legacy-other-keys": legacy(b"", b"", b"", good, pickle.dumps(["../0"], 2)),
        "legacy-keys-called": legacy(b"", b"", b"", good, called),
        "legacy-cut": old + count + bytes(20),
        "legacy-count": old + struct.pack("<q", -6) + bytes(24),
        "legacy-count-giant": old + struct.pack("<q", 2**62) + bytes(24),
        "legacy-big-endian": legacy(b"", b"", turned, good, keys) + count + bytes(24),
        "safetensors-of-code": struct.pack("<Q", len(good)) + b'{"' + good,
        "safetensors-twice": struct.pack("<Q", len(twice)) + twice + bytes(20),
    }
