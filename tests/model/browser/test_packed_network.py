"""Which graphs are packed for the kernels, and what is named if one can't be."""

import pytest

from model.browser.packed_network import NotPackable, pack_network
from model.bundle import get_bundle
from tests.model.browser.networks import PHOTO, Graph, small_graph

LACKING = {
    "a grouped convolution": "$y = Conv <group = 2> ($x, $half3)",
    "dilation": "$y = Conv <dilations = [2, 2]> ($x, $same3)",
    "two strides": "$y = Conv <strides = [1, 2]> ($x, $same3)",
    "7 × 7": "$y = Conv <group = $channels> ($x, $deep7)",
    "automatic padding": '$y = Conv <auto_pad = "SAME_UPPER"> ($x, $same3)',
    "of maps": "$y = Concat <axis = 1> ($x, $x)",
    "Erf": "$y = Erf ($x)",
    "a product of two maps": "$a = Relu ($x) $y = Mul ($x, $a)",
    "a sum of two shapes": "$a = GlobalAveragePool ($x) $y = Add ($a, $x)",
    "Gather of a map": "$y = Gather <axis = 1> ($x, axes)",
    "a HardSigmoid": "$y = HardSigmoid ($x)",
    "a mean with padding": """$y = AveragePool
        <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> ($x)""",
}


@pytest.mark.parametrize("lacking", LACKING)
def test_operators_without_a_kernel_are_refused(lacking: str) -> None:
    graph = Graph(seed=1)
    graph.channels = 8
    for layer in (PHOTO, LACKING[lacking], "logits = GlobalAveragePool ($x)"):
        graph.add(layer)
    with pytest.raises(NotPackable, match=lacking):
        pack_network(graph.end("float[N, C, H, W] logits"))


@pytest.mark.parametrize("name", ["imagenet", "clothing"])
def test_built_in_models_are_packed_in_both_forms(name: str) -> None:
    graph = get_bundle(name).read("graph.onnx")
    full, small = pack_network(graph), pack_network(small_graph(name))
    assert len(full) < 1.01 * len(graph)
    # Its weights stay bytes.
    assert len(small) < 0.3 * len(full)
