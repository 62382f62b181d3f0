"""Affines in front of convolutions are in their weights; a shift in front of padding stays."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.optimize.nets import Net
from zoosmith.optimize import to_ir, to_proto
from zoosmith.quantize.rewrites.affines_before_convolutions import AffinesBeforeConvolutions
from zoosmith.validation import compare, random_inputs, runner_for


def rewritten(model: onnx.ModelProto) -> list[str]:
    """The operators of the model after it, which computes the same."""
    result = to_ir(model)
    AffinesBeforeConvolutions()(result)
    found, inputs = to_proto(result), random_inputs(model, seed=0)
    onnx.checker.check_model(found, full_check=True)
    assert compare(runner_for(model).run(inputs), runner_for(found).run(inputs), rtol=1e-4, atol=1e-5).passed
    return [node.op_type for node in found.graph.node]


def affine(net: Net, x: str, *shape: int, shifts: bool = True) -> str:
    x = net.add("Mul", x, net.normal(1))
    return net.add("Add", x, net.normal(*shape)) if shifts else x


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("group", [1, 4])
@pytest.mark.parametrize("shape", [(1,), (8, 1, 1)])
def test_scale_and_shift_are_in_weights_and_bias(shape: tuple[int, ...], group: int, bias: bool) -> None:
    net = Net([1, 8, 6, 6])
    x = affine(net, net.add("Tanh", "data"), *shape)
    more = [net.normal(8)] if bias else []
    y = net.add("Conv", x, net.normal(8, 8 // group, 3, 3), *more, group=group)
    assert rewritten(net.model(y)) == ["Tanh", "Conv"]


@pytest.mark.parametrize(("shifts", "left"), [(False, ["Tanh", "Conv"]), (True, ["Tanh", "Add", "Conv"])])
def test_a_shift_in_front_of_padding_stays(shifts: bool, left: list[str]) -> None:
    net = Net([1, 8, 6, 6])
    x = affine(net, net.add("Tanh", "data"), 8, 1, 1, shifts=shifts)
    assert rewritten(net.model(net.conv(x, 8, 8, 3, pads=[1, 1, 1, 1]))) == left


def test_all_convolutions_that_read_it_have_it() -> None:
    net = Net([1, 8, 6, 6])
    x = affine(net, net.add("Tanh", "data"), 1)
    assert rewritten(net.model(net.conv(x, 8, 8), net.conv(x, 8, 4, 3))) == ["Tanh", "Conv", "Conv"]


def test_what_something_else_reads_stays() -> None:
    net = Net([1, 8, 6, 6])
    x = affine(net, net.add("Tanh", "data"), 8, 1, 1)
    assert rewritten(net.model(net.conv(x, 8, 8), net.add("Erf", x))) == ["Tanh", "Mul", "Add", "Conv", "Erf"]


def test_scales_that_differ_stay() -> None:
    net = Net([1, 8, 6, 6])
    x = net.add("Mul", net.add("Tanh", "data"), net.normal(8, 1, 1))
    assert rewritten(net.model(net.conv(x, 8, 8, 3, pads=[1, 1, 1, 1]))) == ["Tanh", "Mul", "Conv"]


def test_a_scale_of_zero_in_front_of_padding_divides_nothing() -> None:
    net = Net([1, 8, 6, 6])
    x = net.add("Mul", net.add("Tanh", "data"), net.constant(np.zeros((8, 1, 1), np.float32)))
    x = net.add("Add", x, net.normal(8, 1, 1))
    assert rewritten(net.model(net.conv(x, 8, 8, 3, pads=[1, 1, 1, 1]))) == ["Tanh", "Mul", "Add", "Conv"]


def test_an_affine_of_no_channels_is_left_as_it_is() -> None:
    node = helper.make_node("BatchNormalization", ["data", "empty", "empty", "empty", "empty"], ["y"])
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 0, 4, 4]) for name in ("data", "y")]
    empty = numpy_helper.from_array(np.zeros(0, np.float32), "empty")
    graph = helper.make_graph([node], "g", value[:1], value[1:], [empty])
    model = to_ir(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8))
    assert not AffinesBeforeConvolutions()(model).modified
