"""The layers of a network, read from placeholders as plain data and checked without torch.

The parts that a network may be made of are frozen lists of modules and functions. A class counts
only if it is an ``nn.Module`` that its module defines; ``network_builder`` checks that. Nothing
outside of these modules is ever imported because a file names it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import ExportRefused
from .placeholders import Placeholder, PlaceholderType, Unreadable, full_name, plain
from .tensors import StrangeTensor, Tensor, as_tensor, repeats_numbers

ALLOWED = re.compile(
    r"torch\.nn\.modules\.(activation|adaptive|batchnorm|channelshuffle|container|conv|distance"
    r"|dropout|flatten|fold|instancenorm|linear|normalization|padding|pixelshuffle|pooling"
    r"|sparse|transformer|upsampling)"
    r"|torchvision\.models\.(alexnet|convnext|densenet|efficientnet|googlenet|inception|maxvit"
    r"|mnasnet|mobilenet|mobilenetv2|mobilenetv3|regnet|resnet|shufflenetv2|squeezenet"
    r"|swin_transformer|vgg|vision_transformer)"
    r"|torchvision\.ops\.(misc|stochastic_depth)"
    r"|fastai\.layers|fastai\.vision\.learner"
    r"|fastai\.vision\.models\.(tvm|unet|xresnet)"
    # The second is where timm before 0.9 had its layers.
    r"|timm\.layers(\.[a-z0-9_]+)?|timm\.models\.layers(\.[a-z0-9_]+)?"
    # Those that begin with an underscore build, fetch and trace networks; two define layers.
    r"|timm\.models\.([a-z][a-z0-9_]*|_efficientnet_blocks|_features)"
)
"""Modules whose ``nn.Module`` subclasses may be layers of a network."""

REFUSED = re.compile(r"timm\.models\.(hub|factory|registry|helpers|features|fx_features|pruned)")
"""Modules within the above that define no layers."""

NO_LAYERS = {("fastai.layers", "Debugger")}
"""A layer that stops the program when it is called."""

FUNCTIONS = frozenset(
    {
        *(
            f"torch.nn.functional.{name}"
            for name in (
                "celu elu gelu hardsigmoid hardswish hardtanh leaky_relu log_softmax logsigmoid "
                "mish relu relu6 selu sigmoid silu softmax softplus softsign tanh"
            ).split()
        ),
        *(f"torch.{name}" for name in ("relu", "sigmoid", "softmax", "tanh")),
        *(f"torch._C._nn.{name}" for name in ("gelu", "hardsigmoid", "hardswish", "silu")),
        "fastai.imports.noop",
        "fastcore.basics.noop",
        "fastcore.imports.noop",
    }
)
"""Functions that a layer may keep, by exact name."""

HOOKS = re.compile(
    r"_(forward_hooks(_with_kwargs|_always_called)?|forward_pre_hooks(_with_kwargs)?"
    r"|backward(_pre)?_hooks|is_full_backward_hook|(load_)?state_dict(_pre|_post)?_hooks)"
)
"""Attributes of a layer that hold code which torch calls; none is imported."""


def is_allowed_module(module: str) -> bool:
    """Return True if layers may come from ``module``."""
    return bool(ALLOWED.fullmatch(module)) and not REFUSED.fullmatch(module)


MAX_DEPTH = 60
"""Most levels of nested layers, which torch traverses by recursion."""

MAX_LAYERS = 20_000
"""Most layers, counting a shared one at each use."""

OUTPUT_HOOKS = {"_forward_hooks", "_forward_pre_hooks"}
"""Hooks that can change a layer's output."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the allow-list that a layer keeps, by its full name."""

    name: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An attribute that is not a plain value, so not imported, by its name or class."""

    name: str


@dataclass(slots=True, eq=False)
class Layer:
    """A layer: its class by name, its tensors, layers and attributes."""

    module: str
    name: str
    embedded: bool = False
    parameters: dict[str, Tensor | None] = field(default_factory=dict)
    buffers: dict[str, Tensor | None] = field(default_factory=dict)
    transient: frozenset[str] = frozenset()
    """Names of buffers that are not among the weights."""
    layers: dict[str, "Layer | None"] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def full(self) -> str:
        """``module.name`` of its class."""
        return f"{self.module}.{self.name}"

    @property
    def is_allowed(self) -> bool:
        """True if its class is in a module of the allow-list."""
        is_layer = "." not in self.name and (self.module, self.name) not in NO_LAYERS
        return not self.embedded and is_allowed_module(self.module) and is_layer


@dataclass(frozen=True)
class Network:
    """A network's layers, and those whose classes are not on the allow-list."""

    root: Layer
    own: tuple[Layer, ...]

    def layers(self) -> Iterator[Layer]:
        """Yield each layer once, even if several others contain it."""
        pending, seen = [self.root], {id(self.root)}
        while pending:
            layer = pending.pop()
            yield layer
            for child in layer.layers.values():
                if child is not None and id(child) not in seen:
                    seen.add(id(child))
                    pending.append(child)

    def weights(self) -> dict[str, Tensor]:
        """Return the tensors of the state dict by name."""
        return dict(_weights(self.root, ""))


def read_network(value: Any) -> Network:
    """Return the layers of a network.

    Raises:
        ExportRefused: it is not a network, or is malformed: layers that contain themselves,
            tensors beyond their storage, code in place of a method.
    """
    reader = _Reader()
    root = reader.read(value, "")
    own = {layer.full: layer for layer in reader.layers.values() if not layer.is_allowed}
    if repeats_numbers(reader.tensors):
        raise _strange("", "uses the same weights more often than any real network does")
    return Network(root, tuple(own.values()))


class _Reader:
    """Traverses a network, at most ``MAX_DEPTH`` levels deep."""

    def __init__(self) -> None:
        self.layers: dict[int, Layer] = {}
        self.sizes: dict[int, int] = {}
        self.open: set[int] = set()
        self.tensors: list[Tensor] = []

    def read(self, value: Any, path: str) -> Layer:
        """Return the layer of a placeholder, the same at each of its places."""
        if id(value) in self.layers:
            return self.layers[id(value)]
        if id(value) in self.open:
            raise _strange(path, "contains itself")
        if len(self.open) >= MAX_DEPTH or len(self.layers) >= MAX_LAYERS:
            raise _strange(path, "nests its layers more deeply than any real network does")
        kind, children = _kind_and_children(value, path)
        self.open.add(id(value))
        state = value.attributes
        transient = state.get("_non_persistent_buffers_set")
        if not isinstance(transient, set | frozenset | list | tuple):
            transient = ()
        layer = Layer(
            kind.module,
            kind.name,
            kind.embedded,
            self._tensors(state.get("_parameters"), path),
            self._tensors(state.get("_buffers"), path),
            frozenset(name for name in transient if isinstance(name, str)),
            {
                key: None if child is None else self.read(child, f"{path}.{key}".lstrip("."))
                for key, child in children.items()
            },
            _attributes(state, path),
        )
        size = 1 + sum(self.sizes[id(child)] for child in children.values() if child is not None)
        if size > MAX_LAYERS:
            raise _strange(path, "repeats its layers more often than any real network does")
        self.open.discard(id(value))
        self.sizes[id(value)], self.layers[id(value)] = size, layer
        return layer

    def _tensors(self, values: Any, path: str) -> dict[str, Tensor | None]:
        if values is None:
            return {}
        if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
            raise _strange(path, "has weights without names")
        return {key: self._tensor(value, f"{path}.{key}") for key, value in values.items()}

    def _tensor(self, value: Any, path: str) -> Tensor | None:
        if value is None:
            return None
        try:
            tensor = as_tensor(value)
        except StrangeTensor as error:
            raise _strange(path, f"can't be: {error}") from None
        if tensor is None:
            raise _strange(path, f"is a {full_name(value)} and not a tensor")
        self.tensors.append(tensor)
        return tensor


def _kind_and_children(value: Any, path: str) -> tuple[PlaceholderType, dict[str, Any]]:
    """Return the class of a layer's placeholder, and the placeholders of its layers."""
    kind: Any = type(value)
    if not isinstance(value, Placeholder) or not isinstance(kind, PlaceholderType):
        raise _strange(path, f"is a {full_name(value)} and not a layer")
    is_called = value.args or value.kwargs or value.items is not None
    if is_called or "_modules" not in value.attributes:
        raise _strange(path, f"is a {kind.full}, made in a way in which torch makes no layers")
    children = value.attributes["_modules"]
    if not isinstance(children, dict) or not all(isinstance(key, str) for key in children):
        raise _strange(path, "has layers that have no names")
    return kind, children


def _attributes(state: Mapping[Any, Any], path: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for key, value in state.items():
        if not isinstance(key, str):
            raise _strange(path, "has an attribute without a name")
        # Python looks special methods such as __call__ up on the class, never on the instance.
        if key in STRUCTURE or (key.startswith("__") and key.endswith("__")):
            continue
        if HOOKS.fullmatch(key):
            if key in OUTPUT_HOOKS and value:
                raise ExportRefused(
                    f"A hook changes what its layer {path or 'at the top'} answers "
                    f"({key.strip('_')}), and hooks are code, which no import runs. Remove it "
                    "(hook.remove(), or remove_spectral_norm or remove_weight_norm of "
                    "torch.nn.utils) and export again."
                )
            continue
        if key == "forward":
            raise ExportRefused(
                f"Its layer {path or 'at the top'} replaces {key}, which is code, and no "
                "import runs that. Put it into a class of its own and export again."
            )
        attributes[key] = _attribute(value)
    return attributes


STRUCTURE = {"_modules", "_parameters", "_buffers", "_non_persistent_buffers_set", "training"}


def _attribute(value: Any) -> Any:
    if isinstance(value, PlaceholderType) and value.full in FUNCTIONS and not value.embedded:
        return Function(value.full)
    try:
        tensor = as_tensor(value)
    except StrangeTensor:
        return LeftOut("a tensor")
    if tensor is not None:
        return tensor
    try:
        return plain(value)
    except Unreadable as error:
        return LeftOut(str(error))


def _weights(layer: Layer, path: str) -> Iterator[tuple[str, Tensor]]:
    for key, tensor in (*layer.parameters.items(), *layer.buffers.items()):
        if tensor is not None and key not in layer.transient:
            yield f"{path}{key}", tensor
    for key, child in layer.layers.items():
        if child is not None:
            yield from _weights(child, f"{path}{key}.")


def _strange(path: str, what: str) -> ExportRefused:
    where = f"layer {path}" if path else "network"
    return ExportRefused(f"Its {where} {what}. Do not load it; ask its author for the file.")
