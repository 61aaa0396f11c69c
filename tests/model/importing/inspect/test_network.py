"""Networks made to attack the reader of networks: each is refused with a sentence."""

import functools
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


def sequential(*layers: Any) -> Any:
    from torch import nn

    return nn.Sequential(*layers)


def linear(**parameters: Any) -> Any:
    from torch import nn

    network = nn.Linear(3, 2)
    network._parameters.update(parameters)
    return network


def loop() -> Any:
    network = sequential(sequential())
    network[0]._modules["again"] = network
    return network


def nested() -> Any:
    return functools.reduce(lambda network, _: sequential(network), range(100), sequential())


def doubled() -> Any:
    """Thirty layers that expand to a thousand million, each naming the next one twice."""
    return functools.reduce(lambda inner, _: sequential(inner, inner), range(30), linear())


def changed(attribute: str, value: Any) -> Any:
    network = linear()
    if isinstance(value, dict):
        getattr(network, attribute).update(value)
    else:
        setattr(network, attribute, value)
    return network


def with_tensor(*args: Any) -> Any:
    import torch

    storage = torch.zeros(2, 3)._typed_storage()
    return linear(weight=Called(torch._utils._rebuild_tensor_v2, storage, *args, False, {}))


def shared() -> Any:
    """Views of one storage that would be copied a thousand times."""
    import torch

    numbers, network = torch.zeros(10_000), sequential()
    for count in range(1000):
        network.register_buffer(f"buffer{count}", numbers.view(100, 100))
    return network


def constructed() -> Any:
    """A layer that its constructor would make, with a size that fills the memory."""
    from torch import nn

    network = sequential()
    network._modules["0"] = Called(nn.Linear, 10**6, 10**6)
    return network


NETWORKS: dict[str, tuple[Callable[[], Any], str]] = {
    "loop": (loop, "contains itself"),
    "nested": (nested, "more layers inside of layers"),
    "doubled": (doubled, "repeats its layers"),
    "hook": (lambda: changed("_forward_hooks", {"0": os.system}), "A hook changes"),
    "pre-hook": (lambda: changed("_forward_pre_hooks", {"0": os.system}), "A hook changes"),
    "forward": (lambda: changed("forward", os.system), "replaces forward"),
    "misplaced": (lambda: changed("_modules", {"0": {"not": "a layer"}}), "not a layer"),
    "beyond": (lambda: with_tensor(0, (100, 100), (100, 1)), "beyond the numbers"),
    "offset": (lambda: with_tensor(99, (2, 3), (3, 1)), "beyond the numbers"),
    "expanded": (lambda: with_tensor(0, (10**6, 10**6), (0, 0)), "more numbers than"),
    "negative": (lambda: with_tensor(-1, (2, 3), (3, 1)), "contradicts itself"),
    "backwards": (lambda: with_tensor(5, (2, 3), (-3, -1)), "of whole numbers"),
    "dimensions": (lambda: with_tensor(0, (1,) * 99, (1,) * 99), "of whole numbers"),
    "no-shape": (lambda: with_tensor(0, "ab", "ab"), "of whole numbers"),
    "shared": (shared, "uses the same weights"),
    "constructed": (constructed, "torch makes no layers"),
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
