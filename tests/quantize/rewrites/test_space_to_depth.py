"""A strided convolution over blocks of positions sums the same products."""

from math import ceil

import onnx
from hypothesis import given
from hypothesis import strategies as st

from tests.optimize.nets import Net
from zoosmith.optimize import to_ir, to_proto
from zoosmith.quantize.rewrites.space_to_depth import SpaceToDepthConvolutions
from zoosmith.validation import compare, random_inputs, runner_for


@given(
    kernel=st.integers(1, 7),
    pads=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    size=st.tuples(st.integers(7, 14), st.integers(7, 14)),
    channels=st.integers(1, 5),
)
def test_every_kernel_padding_and_size_gives_the_same_sums(
    kernel: int, pads: list[int], size: tuple[int, int], channels: int
) -> None:
    net = Net([1, channels, *size])
    outputs = ceil(1000 / (channels * kernel**2))
    model = net.model(net.conv("data", channels, outputs, kernel, bias=True, strides=[2, 2], pads=pads))
    rewritten, _ = rewrite(model)
    onnx.checker.check_model(rewritten, full_check=True)
    inputs = random_inputs(model, seed=0)
    result = compare(runner_for(model).run(inputs), runner_for(rewritten).run(inputs), rtol=1e-5, atol=1e-5)
    assert result.passed, result.reason


def test_an_image_of_three_channels_is_rewritten() -> None:
    net = Net([1, 3, 32, 32])
    rewritten, changed = rewrite(net.model(net.conv("data", 3, 8, 7, strides=[2, 2], pads=[3, 3, 3, 3])))
    assert changed
    assert [node.op_type for node in rewritten.graph.node] == ["SpaceToDepth", "Conv"]


def test_many_channels_and_stride_one_are_left_alone() -> None:
    for channels, stride in ((8, 2), (3, 1)):
        net = Net([1, channels, 32, 32])
        rewritten, changed = rewrite(net.model(net.conv("data", channels, 48, 3, strides=[stride, stride])))
        assert not changed
        assert [node.op_type for node in rewritten.graph.node] == ["Conv"]


def test_a_convolution_of_few_products_is_not_worth_it() -> None:
    net = Net([1, 3, 32, 32])
    _, changed = rewrite(net.model(net.conv("data", 3, 16, 3, strides=[2, 2], pads=[1, 1, 1, 1])))
    assert not changed


def rewrite(model: onnx.ModelProto) -> tuple[onnx.ModelProto, bool]:
    """What the pass makes of a model, and whether it says that it changed anything."""
    result = to_ir(model)
    changed = SpaceToDepthConvolutions()(result).modified
    return to_proto(result), changed
