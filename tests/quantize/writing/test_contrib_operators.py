"""Operators of com.microsoft take the place of standard ones, and compute the same in ONNX Runtime."""

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.optimize.nets import Net
from zoosmith.optimize import to_proto
from zoosmith.quantize import quantize, quantize_within
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.quantizer import refuse_quantized
from zoosmith.quantize.report import summarize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.similarity import cosine, run
from zoosmith.quantize.target import Target
from zoosmith.quantize.writing.contrib_operators import use_contrib_operators

CONTRIB = Target(contrib=True, every_layer=True)


def contrib(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node if node.domain == "com.microsoft"]


def written(model: onnx.ModelProto, target: Target = CONTRIB) -> onnx.ModelProto:
    return quantize(model, random_samples(model, 8), target=target)


def test_a_bias_of_each_column_becomes_part_of_the_product() -> None:
    net = Net([1, 16, 64], opset=13)
    model = net.model(net.add("Add", net.add("MatMul", "data", net.normal(64, 32, spread=0.1)), net.normal(32)))
    found = written(model)
    assert contrib(found) == ["MatMulIntegerToFloat"]
    assert not {"Add", "MatMulInteger", "Cast", "Mul"} & {node.op_type for node in found.graph.node}
    assert {entry.domain: entry.version for entry in found.opset_import} == {"": 13, "com.microsoft": 1}
    assert summarize(model, found, random_samples(model, 8, seed=1)).products == 1
    exact, same = (
        run(written(model, Target(every_layer=True)), samples := random_samples(model, 4)),
        run(found, samples),
    )
    for wanted, given in zip(exact, same, strict=True):
        for name, value in wanted.items():
            np.testing.assert_allclose(given[name], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("added", ["rows", "scalar", "activation"])
def test_another_addend_stays_an_add(added: str) -> None:
    net = Net([1, 16, 64], opset=13)
    product = net.add("MatMul", "data", net.normal(64, 32, spread=0.1))
    others = {"rows": net.normal(16, 32), "scalar": net.normal(1), "activation": net.add("Tanh", product)}
    model = net.model(net.add("Add", product, others[added]))
    found = written(model)
    assert contrib(found) == ["MatMulIntegerToFloat"]
    assert "Add" in {node.op_type for node in found.graph.node}
    assert summarize(model, found, random_samples(model, 8, seed=1)).error < 0.02


def gelu(net: Net, x: str, form: str) -> str:
    root, one, half = (net.constant(np.array(number, np.float32)) for number in (2**0.5, 1.0, 0.5))
    plus = net.add("Add", net.add("Erf", net.add("Div", x, root)), one)
    if form == "half last":
        return net.add("Mul", net.add("Mul", x, plus), half)
    if form == "half of the source":
        return net.add("Mul", net.add("Mul", x, half), plus)
    if form == "half of the sum":
        return net.add("Mul", x, net.add("Mul", plus, half))
    return net.add("Mul", x, plus)


@pytest.mark.parametrize("form", ["half last", "half of the source", "half of the sum"])
def test_a_gelu_in_each_order_becomes_one_operator(form: str) -> None:
    net = Net([1, 16, 64], opset=13)
    x = gelu(net, net.add("MatMul", "data", net.normal(64, 64, spread=0.1)), form)
    model = net.model(net.add("MatMul", x, net.normal(64, 8, spread=0.1)))
    found = written(model)
    assert contrib(found) == ["MatMulIntegerToFloat", "Gelu", "MatMulIntegerToFloat"]
    assert "Erf" not in {node.op_type for node in found.graph.node}
    assert summarize(model, found, random_samples(model, 8, seed=1)).error < 0.02


def test_an_erf_without_the_half_that_is_read_in_float_stays() -> None:
    net = Net([1, 16, 64], opset=13)
    model = net.model(gelu(net, net.add("MatMul", "data", net.normal(64, 64, spread=0.1)), "none"))
    found = written(model)
    assert "Erf" in {node.op_type for node in found.graph.node} and "Gelu" not in contrib(found)


def test_a_gelu_between_convolutions_reads_what_was_dequantized() -> None:
    net = Net([1, 64, 28, 28], opset=13)
    x = net.add("Conv", "data", net.normal(64, 64, 1, 1, spread=0.3), net.normal(64))
    model = net.model(net.conv(gelu(net, x, "half last"), 64, 64))
    found = written(model)
    assert contrib(found) == ["Gelu"]
    assert [node.op_type for node in found.graph.node] == [
        *("QuantizeLinear", "QLinearConv", "DequantizeLinear", "Gelu", "QuantizeLinear", "QLinearConv"),
        "DequantizeLinear",
    ]
    assert summarize(model, found, random_samples(model, 8, seed=1)).error < 0.02


def recurrent(
    units: int = 64,
    *,
    outputs: tuple[str, ...] = ("y", "y_h", "y_c"),
    lens: bool = False,
    states: bool = False,
    peephole: bool = False,
    length: int = 6,
    batch: int = 2,
    **attributes: Any,
) -> onnx.ModelProto:
    """An LSTM with constant weights, of 64 values in each step."""
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    stream, spread = np.random.RandomState(0), units**-0.5
    shapes = {
        "w": (4 * units, 64),
        "r": (4 * units, units),
        "b": (8 * units,),
        **({"p": (3 * units,)} if peephole else {}),
    }
    constants = {
        name: stream.uniform(-spread, spread, (directions, *shape)).astype(np.float32) for name, shape in shapes.items()
    }
    if lens:
        constants["lens"] = np.array([length, length // 2][:batch], np.int32)
    given = {"x": [length, batch, 64], **({name: [directions, batch, units] for name in ("h", "c")} if states else {})}
    inputs = ["x", "w", "r", "b", "lens" * lens, "h" * states, "c" * states, "p" * peephole]
    while not inputs[-1]:
        inputs.pop()
    node = helper.make_node("LSTM", inputs, list(outputs), hidden_size=units, **attributes)
    graph = helper.make_graph(
        [node],
        "net",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in given.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs if name],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=7)


def with_contrib(model: onnx.ModelProto, exact: tuple[str, ...] = ()) -> onnx.ModelProto:
    result = ir.from_proto(model)
    use_contrib_operators(result, exact=exact)
    return to_proto(result)


@pytest.mark.parametrize(
    "form",
    [
        *({}, {"direction": "reverse"}, {"direction": "bidirectional"}, {"lens": True}, {"states": True}),
        *({"peephole": True}, {"clip": 0.1}, {"outputs": ("", "y_h")}, {"outputs": ("y",)}, {"batch": 1, "length": 1}),
        {"activations": ["Sigmoid", "Tanh", "Relu"]},
        {"activations": ["HardSigmoid", "Tanh", "Tanh"], "activation_alpha": [0.3], "activation_beta": [0.4]},
        {"direction": "bidirectional", "lens": True, "states": True, "peephole": True, "units": 96},
    ],
    ids=str,
)
def test_an_lstm_computes_nearly_the_same_in_integers(form: dict[str, Any]) -> None:
    model = recurrent(**form)
    found = with_contrib(model)
    assert contrib(found) == ["DynamicQuantizeLSTM"]
    assert found.ByteSize() < 0.35 * model.ByteSize()
    samples = random_samples(model, 4)
    alike = cosine(run(model, samples), run(found, samples))
    assert alike is not None and alike > 0.999


@pytest.mark.parametrize("form", [{"units": 16}, {"input_forget": 1}, {"layout": 1, "batch": 6}], ids=str)
def test_an_lstm_that_is_small_or_of_another_form_stays(form: dict[str, Any]) -> None:
    assert not contrib(with_contrib(recurrent(**form)))


def test_an_lstm_that_keeps_its_weights_stays() -> None:
    assert not contrib(with_contrib(recurrent(), ("y",)))


def with_layer(model: onnx.ModelProto) -> onnx.ModelProto:
    """The LSTM with a MatMul behind it, so that there is a layer to quantize."""
    weights = np.random.RandomState(1).randn(64, 64).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weights, "weights"))
    model.graph.node.append(helper.make_node("MatMul", ["y", "weights"], ["z"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    return onnx.shape_inference.infer_shapes(model)


def test_an_lstm_is_float_by_default_and_an_integer_one_where_it_is_allowed() -> None:
    model = with_layer(recurrent(outputs=("y",)))
    assert "LSTM" in {node.op_type for node in written(model, Target(every_layer=True)).graph.node}
    assert "DynamicQuantizeLSTM" in contrib(written(model))


def test_an_lstm_stays_in_float_where_its_rounding_is_most_of_the_drop() -> None:
    model = with_layer(recurrent(outputs=("y",)))

    def drop(found: onnx.ModelProto) -> float:
        return 0.9 * ("DynamicQuantizeLSTM" in contrib(found)) + 0.01

    limited = quantize_within(model, random_samples(model, 4), drop, 0.05, target=CONTRIB)
    assert limited.met and "DynamicQuantizeLSTM" not in contrib(limited.model)
    assert "MatMulIntegerToFloat" in contrib(limited.model)


def test_what_holds_integer_operators_of_com_microsoft_is_quantized_already() -> None:
    with pytest.raises(QuantizeError, match="already quantized: it holds DynamicQuantizeLSTM"):
        refuse_quantized(with_contrib(recurrent()))
