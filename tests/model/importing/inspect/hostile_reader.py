"""Files made against Loupe's own reader: its allowed classes, its placeholders, its containers.

Each is a file whose object is a network, weights or a learner, unlike anything that torch or
fastai writes. Where code is named, it would create the marker file if anything called it.
"""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

from tests.model.importing.inspect.hostile import (
    directory_entry,
    glob,
    legacy,
    short,
    text,
    torch_zip,
)

__all__ = ["container_files", "network_files", "pickle_files", "storage"]

START = b"\x80\x02"
SEQUENTIAL = ("torch.nn.modules.container", "Sequential")
LINEAR = ("torch.nn.modules.linear", "Linear")


def layer(module: str, name: str, **state: bytes) -> bytes:
    """A layer as a pickle makes it: NEWOBJ, then its state."""
    parts = {"_modules": b"}", "_parameters": b"}", "_buffers": b"}", **state}
    named = b"".join(text(key) + value for key, value in parts.items())
    return b"\x80\x04" + short(module) + short(name) + b"\x93)\x81}(" + named + b"ub"


def inside(child: bytes, name: str = "0") -> bytes:
    """Return the layer wrapped in a ``Sequential``."""
    return layer(*SEQUENTIAL, _modules=b"}" + text(name) + child + b"s")


def storage(
    key: str = "0",
    size: bytes = b"K\x06",
    kind: bytes = b"",
    location: str = "cpu",
    view: bytes = b"",
) -> bytes:
    """The reference to a tensor's numbers, in torch's persistent ids."""
    kind = kind or glob("torch", "FloatStorage")
    return b"(" + text("storage") + kind + text(key) + text(location) + size + view + b"tQ"


def tensor(
    numbers: bytes, shape: bytes = b"K\x02K\x03\x86", strides: bytes = b"K\x03K\x01\x86"
) -> bytes:
    """A call that puts a tensor together: [2, 3]."""
    arguments = b"(" + numbers + b"K\x00" + shape + strides + b"\x89}t"
    return glob("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def with_weight(weight: bytes) -> bytes:
    return layer(*LINEAR, _parameters=b"}" + text("weight") + weight + b"s")


def zipped(root: bytes, size: int = 24) -> bytes:
    return torch_zip(START + root + b".", {"data/0": bytes(size)})


def byteorder_outside(data: bytes) -> bytes:
    """A zip whose byte order lies beside torch's folder, and not in it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        opened.writestr("archive/data.pkl", data)
        opened.writestr("archive/data/0", bytes(24))
        opened.writestr("byteorder", b"little")
    return file.getvalue()


def network_files(marker: Path) -> dict[str, bytes]:
    """Networks: names nearly on the list, classes misused, tensors that can't be."""
    system = glob("os", "system")
    called = system + text(f"touch {marker}") + b"\x85R"
    names = {
        "dotted-init": ("torch.nn.modules.module", "Module.__init__"),
        "dotted-globals": ("torch.nn.modules.linear", "Linear.forward.__globals__"),
        "dotted-method": (SEQUENTIAL[0], "Sequential.forward"),
        "base-class": ("torch.nn.modules.module", "Module"),
        "passed-on-class": (SEQUENTIAL[0], "Module"),
        "passed-on-function": (SEQUENTIAL[0], "islice"),
        "passed-on-module": (SEQUENTIAL[0], "operator"),
        "torch-itself": (SEQUENTIAL[0], "torch"),
        "nearly": ("torch.nn.modules.linear_", "Linear"),
        "below": ("torch.nn.modules.linear.more", "Linear"),
        "above": ("torch.nn.modules", "Linear"),
        "upper-case": ("Torch.nn.modules.linear", "Linear"),
        "line-break": ("torch.nn.modules.linear\n", "Linear"),
        "cyrillic": ("torch.nn.modules.l\u0456near", "Linear"),
        "no-such-class": ("torch.nn.modules.linear", "Linear2"),
        "graph-module": ("torch.fx.graph_module", "GraphModule"),
        "script-module": ("torch.jit._script", "RecursiveScriptModule"),
        "distributed": ("torch.nn.parallel.distributed", "DistributedDataParallel"),
        "extractor": ("torchvision.models.feature_extraction", "DualGraphModule"),
        "getter": ("torchvision.models._utils", "IntermediateLayerGetter"),
        "timm-hub": ("timm.models.hub", "load_model_config_from_hf"),
        "timm-helper": ("timm.models._helpers", "load_checkpoint"),
        "timm-hooks": ("timm.models._features", "FeatureHooks"),
        "fastai-os": ("fastai.layers", "os"),
        "fastai-path": ("fastai.layers", "Path"),
        "fastai-learner": ("fastai.vision.learner", "Learner"),
        "debugger": ("fastai.layers", "Debugger"),
    }
    loop = layer(*SEQUENTIAL, _modules=b"}q\x05").replace(b"\x81}(", b"\x81q\x06}(", 1)
    states = {
        "call-impl": {"_call_impl": system},
        "slow-forward": {"_slow_forward": system},
        "state-dict": {"state_dict": system},
        "parameters-method": {"named_parameters": system},
        "conv-forward": {"_conv_forward": system},
        "forward-called": {"forward": called},
        "hooks-of-calls": {"_forward_hooks": b"}K\x00" + called + b"s"},
        "hooks-no-dict": {"_forward_pre_hooks": b"K\x01"},
        "modules-list": {"_modules": b"]"},
        "modules-numbers": {"_modules": b"}K\x00Ns"},
        "modules-called": {"_modules": called},
        "parameters-list": {"_parameters": b"]K\x01a"},
        "buffers-numbers": {"_buffers": b"}K\x00Ns"},
        "buffer-called": {"_buffers": b"}" + text("mean") + called + b"s"},
        "buffers-set-called": {"_non_persistent_buffers_set": called, "_buffers": b"}K\x00Ns"},
    }
    weights = {
        "no-storage": tensor(text("0")),
        "storage-called": tensor(called),
        "unknown-type": tensor(storage(kind=glob("torch", "ComplexDoubleStorage"))),
        "type-of-os": tensor(storage(kind=glob("os", "system"))),
        "negative-size": tensor(storage(size=b"J\xff\xff\xff\xff")),
        "size-a-text": tensor(storage(size=text("many"))),
        "view-of-view": tensor(storage(view=b"(" + text("v") + b"K\x00K\x06t")),
        "larger-storage": tensor(storage(size=b"J\xff\xff\xff\x0f")),
        "missing-storage": tensor(storage(key="1")),
        "outside-key": tensor(storage(key="../../../etc/passwd")),
        "zero-key": tensor(storage(key="0\0")),
        "shape-true": tensor(storage(), b"\x88\x88\x86", b"K\x01K\x01\x86"),
        "shape-float": tensor(storage(), b"G@\x00\x00\x00\x00\x00\x00\x00K\x03\x86"),
        "shape-called": tensor(storage(), called),
        "giant-shape": tensor(storage(), b"\x8a\x06\xff\xff\xff\xff\xff\x7fK\x03\x86"),
        "quantized": glob("torch._utils", "_rebuild_qtensor") + b"(" + storage() + b"K\x00))tR",
        "sparse": glob("torch._utils", "_rebuild_sparse_tensor") + b"(" + storage() + b")tR",
        "subclass-of-os": glob("torch._tensor", "_rebuild_from_type_v2")
        + b"("
        + system
        + glob("torch", "Tensor")
        + text("x")
        + b"\x85}tR",
        "parameters-deep": glob("torch._utils", "_rebuild_parameter") * 9
        + tensor(storage())
        + b"\x85R" * 9,
        "two-types": b"]"
        + tensor(storage())
        + b"a0"
        + tensor(storage(kind=glob("torch", "LongStorage"))),
    }
    return {
        **{f"name-{key}": zipped(inside(layer(*name))) for key, name in names.items()},
        **{
            f"state-{key}": zipped(inside(layer("torch.nn.modules.conv", "Conv2d", **state)))
            for key, state in states.items()
        },
        **{f"weight-{key}": zipped(inside(with_weight(value))) for key, value in weights.items()},
        "loop-by-memo": zipped(
            loop[:-2] + text("_modules") + b"}" + text("0") + b"h\x06subb"[:3] + b"ub"
        ),
        "constructed": zipped(inside(glob(*LINEAR) + b"J\xff\xff\xff\x7fK\x01\x86R")),
        "new-with-arguments": zipped(inside(glob(*LINEAR) + b"K\x05\x85\x81}b")),
        "appended-to": zipped(
            inside(glob(*LINEAR) + b")\x81](K\x01K\x02e0}(" + text("_modules") + b"}ub" + b"K\x01a")
        ),
    }


def pickle_files(marker: Path) -> dict[str, bytes]:
    """Instructions that reach into the reader's own objects, or ask for too much."""
    command = text(f"touch {marker}")
    system = glob("os", "system")
    ordered = glob("collections", "OrderedDict") + b")R"
    getattr_ = glob("builtins", "getattr")
    roots = {
        # BUILD sets attributes unless a class refuses: of a storage, after it was checked.
        "build-storage": storage()
        + b"]"
        + b"("
        + text("FloatStorage")
        + text("0")
        + text("cpu")
        + b"\x8a\x09"
        + b"\xff" * 8
        + b"\x00"
        + b"eb",
        "build-storage-text": storage() + b"](" + text("x") * 3 + text("many") + b"eb",
        "build-imitation": getattr_
        + b"N}("
        + text("imitate")
        + system
        + b"u\x86b"
        + command
        + b"\x85R",
        "build-imitation-known": getattr_ + b"N}(" + text("known") + system + b"u\x86b)R",
        "build-class": glob("torch", "FloatStorage") + b"}" + text("name") + text("x") + b"sb",
        "build-ordered": ordered + b"}(" + text("items") + system + text("keys") + system + b"ub",
        "build-list": b"]}" + text("append") + system + b"sb",
        "build-set": glob("builtins", "set") + b")R}" + text("add") + system + b"sb",
        "build-text": text("x") + b"}" + text("a") + system + b"sb",
        "slots": glob("fastai.learner", "Learner") + b")\x81N}" + text("args") + system + b"s\x86b",
        "items-of-class": glob("fastai.learner", "Learner") + text("a") + system + b"s",
        "append-to-class": glob("fastai.learner", "Learner") + system + b"a",
        "new-of-object": glob("fastai.learner", "Learner") + b")R)\x81",
        "new-of-number": b"K\x01)\x81",
        "new-of-container": glob("builtins", "dict") + b"]" + system + b"a\x85\x81",
        "keywords-no-text": glob("fastai.learner", "Learner") + b")}K\x01K\x02s\x92",
        "called-container": glob("builtins", "set") + b"]](a\x85R",
        "called-result": glob("fastai.learner", "Learner") + b")R" + command + b"\x85R",
        "extension-1": b"\x82\x01",
        "extension-2": b"\x83\x01\x01",
        "extension-4": b"\x84\x01\x01\x01\x01",
        "persistent-text": b"Pposix\nsystem\n",
        "persistent-number": b"K\x01Q",
        "persistent-empty": b")Q",
        "persistent-deep": b"(" + text("storage") + storage() + b"tQ",
        "persistent-module-name": b"(" + text("module") + text("os") + b"tQ" + command + b"\x85R",
        "memo-missing": b"h\x63",
        "memo-giant": b"]r\xff\xff\xff\x7f0j\xff\xff\xff\x7f" + b"j\xfe\xff\xff\xff",
        "long-giant": b"\x8b\xff\xff\xff\x7f\x01",
        "long-negative": b"\x8b\xff\xff\xff\xff\x01",
        "text-giant": b"\x8d" + struct.pack("<Q", 2**62) + b"x",
        "bytes-giant": b"\x8e" + struct.pack("<Q", 2**63) + b"x",
        "bytearray-giant": b"\x96" + struct.pack("<Q", 2**50) + b"x",
        "buffer-outside": b"\x97\x98",
        "protocol-255": b"\x80\xff" + system + command + b"\x85R",
        "frames-in-frames": (b"\x95" + struct.pack("<Q", 9)) * 50 + b"N",
        "text-no-utf8": b"X\x02\x00\x00\x00\xc3\x28" + system + b"\x86",
        "name-no-utf8": b"c\xff\xfe\n\xff\nN\x86",
        "name-empty": glob("", "") + b")R",
        "name-in-name": b"\x8c\x04\x8c\x02os\x8c\x06system\x93",
        "marks-crossed": b"((]" + system + b"e1t",
        "pops": b"N0000",
        "dictionary-as-key": b"}}Ns" + b"}}" + b"Ns",
        "list-in-itself": b"]q\x01h\x01a",
        "import-python-2": b"c__builtin__\nexecfile\n" + command + b"\x85R",
    }
    return {key: torch_zip(START + root + b".") for key, root in roots.items()}


def container_files(marker: Path) -> dict[str, bytes]:
    """torch's two containers and safetensors, beside what torch makes."""
    good = START + with_weight(tensor(storage())) + b"."
    plain = torch_zip(good, {"data/0": bytes(24)})
    flags = plain.replace(b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00\x01\x00", 1)
    keys = pickle.dumps(["0"], 2)
    old = legacy(b"", b"", b"", good, keys)
    count = struct.pack("<q", 6)
    turned = pickle.dumps({"little_endian": False, "protocol_version": 1001, "type_sizes": {}}, 2)
    header = json.dumps({"a": {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}}).encode()
    twice = header[:-1] + b", " + header[1:]
    return {
        "zip-encrypted": directory_entry(flags, "archive/data.pkl", 8, b"\x01\x00"),
        "zip-method": directory_entry(plain, "archive/data.pkl", 10, b"\x63\x00"),
        "zip-giant-part": directory_entry(plain, "archive/data/0", 24, b"\xff\xff\xff\xfe"),
        "zip-small-part": torch_zip(good, {"data/0": bytes(20)}),
        "zip-large-part": torch_zip(good, {"data/0": bytes(28)}),
        "zip-no-part": torch_zip(good),
        "zip-packed-part": torch_zip(good, {"data/0": bytes(2**20)}, zipfile.ZIP_DEFLATED),
        "zip-outside": torch_zip(good, {"data/0": bytes(24), "../../evil.py": b"x"}),
        "zip-big-endian": torch_zip(good, {"data/0": bytes(24), "byteorder": b"big"}),
        "zip-byteorder-outside": byteorder_outside(good),
        "zip-byteorder-large": torch_zip(good, {"data/0": bytes(24), "byteorder": bytes(2**20)}),
        "zip-cut": plain[:-30],
        "zip-offset": directory_entry(plain, "archive/data/0", 42, b"\xff\xff\xff\x7f"),
        "legacy-more-keys": legacy(b"", b"", b"", good, pickle.dumps(["0", "1"], 2)),
        "legacy-other-keys": legacy(b"", b"", b"", good, pickle.dumps(["../0"], 2)),
        "legacy-keys-called": legacy(
            b"", b"", b"", good, START + glob("os", "system") + text(f"touch {marker}") + b"\x85R."
        ),
        "legacy-cut": old + count + bytes(20),
        "legacy-count": old + struct.pack("<q", -6) + bytes(24),
        "legacy-count-giant": old + struct.pack("<q", 2**62) + bytes(24),
        "legacy-big-endian": legacy(b"", b"", turned, good, keys) + count + bytes(24),
        "safetensors-of-code": struct.pack("<Q", len(good)) + b'{"' + good,
        "safetensors-twice": struct.pack("<Q", len(twice)) + twice + bytes(20),
    }
