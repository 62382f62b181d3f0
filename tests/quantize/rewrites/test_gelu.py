"""A GELU between integer layers stays one that runtimes recognize."""

import numpy as np
import onnx
from onnx import numpy_helper

from tests.optimize.nets import Net
from zoosmith.quantize import quantize
from zoosmith.quantize.report import summarize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target

EVERY_LAYER = Target(every_layer=True)


def gelu(net: Net, x: str) -> str:
    """As exporters spell it out: x * (1 + erf(x / sqrt(2))) * 0.5."""
    root, one, half = (net.constant(np.array(number, np.float32)) for number in (2**0.5, 1.0, 0.5))
    erf = net.add("Erf", net.add("Div", x, root))
    return net.add("Mul", net.add("Mul", x, net.add("Add", erf, one)), half)


def between_convolutions(opset: int = 13) -> onnx.ModelProto:
    net = Net([1, 64, 28, 28], opset=opset)
    x = net.add("Conv", "data", net.normal(64, 64, 1, 1, spread=0.3), net.normal(64), name="x")
    return net.model(net.conv(gelu(net, x), 64, 64))


def read_by(model: onnx.ModelProto, tensor: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if tensor in node.input]


def test_erf_reads_a_division_by_a_scalar_of_a_value_that_was_dequantized_once() -> None:
    model = between_convolutions()
    result = quantize(model, random_samples(model, 8), target=EVERY_LAYER)
    onnx.checker.check_model(result, full_check=True)
    [dequantize] = read_by(result, "x_quantized")
    [clip] = read_by(result, dequantize.output[0])
    assert (dequantize.op_type, clip.op_type) == ("DequantizeLinear", "Clip")
    assert sorted(node.op_type for node in read_by(result, clip.output[0])) == ["Div", "Mul"]
    [division] = [node for node in read_by(result, clip.output[0]) if node.op_type == "Div"]
    divisor = next(each for each in result.graph.initializer if each.name == division.input[1])
    np.testing.assert_allclose(numpy_helper.to_array(divisor), np.float32(2**0.5), rtol=1e-6)
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.02


def test_what_stands_between_cuts_nothing_off() -> None:
    model = between_convolutions()
    result = quantize(model, random_samples(model, 8), target=EVERY_LAYER)
    [dequantize] = read_by(result, "x_quantized")
    [clip] = read_by(result, dequantize.output[0])
    values = {each.name: numpy_helper.to_array(each) for each in result.graph.initializer}
    scale, zero_point = (values[name] for name in dequantize.input[1:])
    assert values[clip.input[1]] == scale * np.float32(-int(zero_point))
    assert not any(clip.input[2:])


def test_a_value_that_one_float_operator_reads_is_only_dequantized() -> None:
    net = Net([1, 64, 28, 28])
    model = net.model(net.add("Erf", net.conv("data", 64, 64, 3, name="x")))
    result = quantize(model, random_samples(model, 4), target=EVERY_LAYER)
    assert [node.op_type for node in result.graph.node][-2:] == ["DequantizeLinear", "Erf"]


def test_bounds_are_attributes_where_clip_takes_no_inputs() -> None:
    model = between_convolutions(opset=10)
    result = quantize(model, random_samples(model, 8), target=EVERY_LAYER)
    onnx.checker.check_model(result, full_check=True)
    [clip] = [node for node in result.graph.node if node.op_type == "Clip"]
    assert [each.name for each in clip.attribute] == ["min"]


def test_the_half_that_went_into_the_weights_behind_stands_before_the_conversion_again() -> None:
    model = between_convolutions()
    result = quantize(model, random_samples(model, 8), target=EVERY_LAYER)
    [erf] = [node for node in result.graph.node if node.op_type == "Erf"]
    values = {each.name: numpy_helper.to_array(each) for each in result.graph.initializer}
    x, found = erf.output[0], []
    while not found or found[-1] != "QuantizeLinear":
        [node] = read_by(result, x)
        found.append(node.op_type)
        x = node.output[0]
    assert found == ["Add", "Mul", "Mul", "QuantizeLinear"]
    [half] = [values[each.input[1]] for each in result.graph.node if each.output[0] == node.input[0]]
    assert half == 0.5
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.02
