"""Networks made to attack the reader of networks: each is refused with a sentence."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.errors import ExportRefused
from model.importing.inspect.container import open_export
from model.importing.inspect.network import read_network
from tests.model.importing.inspect.pickles import Called

pytestmark = pytest.mark.torch


def linear() -> Any:
    from torch import nn

    return nn.Linear(3, 2)


def loop() -> Any:
    from torch import nn

    network = nn.Sequential(nn.Linear(1, 1))
    network._modules["again"] = nn.Sequential()
    network._modules["again"]._modules["again"] = network
    return network


def nested() -> Any:
    from torch import nn

    network = nn.Sequential()
    for _ in range(100):
        network = nn.Sequential(network)
    return network


def doubled() -> Any:
    """Thirty layers that expand to a thousand million, each naming the next one twice."""
    from torch import nn

    network = nn.Sequential(nn.ReLU())
    for _ in range(30):
        network = nn.Sequential(network, network)
    return network


def hooked(kind: str) -> Any:
    network = linear()
    getattr(network, kind)["0"] = os.system
    return network


def replaced() -> Any:
    network = linear()
    network.forward = os.system
    return network


def with_tensor(*args: Any) -> Any:
    import torch

    network = linear()
    storage = network.weight.data._typed_storage()
    network._parameters["weight"] = Called(torch._utils._rebuild_tensor_v2, storage, *args)
    return network


def shared() -> Any:
    """Views of one storage that would be copied a thousand times."""
    import torch
    from torch import nn

    numbers = torch.zeros(10_000)
    network = nn.Sequential()
    for count in range(1000):
        network.register_buffer(f"buffer{count}", numbers.view(100, 100))
    return network


def constructed() -> Any:
    """A layer that its constructor would make, with a size that fills the memory."""
    from torch import nn

    network: Any = nn.Sequential()
    network._modules["0"] = Called(nn.Linear, 10**6, 10**6)
    return network


def misplaced() -> Any:
    network = linear()
    network._modules["0"] = {"not": "a layer"}
    return network


NETWORKS: dict[str, tuple[Callable[[], Any], str]] = {
    "loop": (loop, "contains itself"),
    "nested": (nested, "more layers inside of layers"),
    "doubled": (doubled, "repeats its layers"),
    "hook": (lambda: hooked("_forward_hooks"), "A hook changes"),
    "pre-hook": (lambda: hooked("_forward_pre_hooks"), "A hook changes"),
    "forward": (replaced, "replaces forward"),
    "beyond": (lambda: with_tensor(0, (100, 100), (100, 1), False, {}), "beyond the numbers"),
    "offset": (lambda: with_tensor(99, (2, 3), (3, 1), False, {}), "beyond the numbers"),
    "expanded": (lambda: with_tensor(0, (10**6, 10**6), (0, 0), False, {}), "more numbers than"),
    "negative": (lambda: with_tensor(-1, (2, 3), (3, 1), False, {}), "contradicts itself"),
    "backwards": (lambda: with_tensor(5, (2, 3), (-3, -1), False, {}), "of whole numbers"),
    "dimensions": (lambda: with_tensor(0, (1,) * 99, (1,) * 99, False, {}), "of whole numbers"),
    "no-shape": (lambda: with_tensor(0, "ab", "ab", False, {}), "of whole numbers"),
    "shared": (shared, "uses the same weights"),
    "constructed": (constructed, "torch makes no layers"),
    "misplaced": (misplaced, "not a layer"),
}


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_hostile_network_is_refused(name: str, protocol: int, is_zip: bool, tmp_path: Path) -> None:
    import torch

    make, reason = NETWORKS[name]
    path = tmp_path / "network.pth"
    torch.save(make(), path, pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)
    with open_export(path) as export:
        assert not export.damage
        with pytest.raises(ExportRefused, match=reason):
            read_network(export.root)


def test_harmless_attributes_are_left_out(tmp_path: Path) -> None:
    import torch

    from model.importing.inspect.network import LeftOut

    network = linear()
    network.notes, network.__call__ = {"a": [1, 2.5, None]}, os.system
    network.helper = os.system
    hooked_only_backwards = network.register_full_backward_hook(print)
    torch.save(network, tmp_path / "network.pth")
    hooked_only_backwards.remove()
    with open_export(tmp_path / "network.pth") as export:
        layer = read_network(export.root).root
    assert layer.attributes["notes"] == {"a": [1, 2.5, None]}
    assert isinstance(layer.attributes["helper"], LeftOut)
    assert not {"__call__", "_backward_hooks"} & set(layer.attributes)


@pytest.mark.parametrize(
    ("module", "name"),
    [("torch.fx.graph_module", "GraphModule"), ("torch.nn.modules.lazy", "LazyModuleMixin")],
)
def test_layer_of_no_list_needs_trust(module: str, name: str, tmp_path: Path) -> None:
    from tests.model.importing.inspect.pickles import glob, text, torch_zip

    path = tmp_path / "network.pth"
    state = b"}(" + text("_modules") + b"}" + text("_parameters") + b"}ub."
    path.write_bytes(torch_zip(b"\x80\x02" + glob(module, name) + b")\x81" + state))
    with open_export(path) as export:
        (layer,) = read_network(export.root).own
    assert layer.full == f"{module}.{name}"
