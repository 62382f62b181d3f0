"""A layer that stays in float between integers is computed in float, which ONNX Runtime 1.21 and later would not do.

It quantizes the weights of a Conv between DequantizeLinear and QuantizeLinear with one scale: here the outputs are
wrong by several standard deviations then.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from tests.optimize.nets import Net
from zoosmith.optimize import to_proto
from zoosmith.quantize import calibrate
from zoosmith.quantize.plan.partition import partition, units
from zoosmith.quantize.quantizer import prepare, write_integer
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target
from zoosmith.validation import runner_for

SHAPES = ("", "Relu", "MaxPool")


def uneven(between: str, op_type: str) -> tuple[onnx.ModelProto, str]:
    """Three convolutions; the channels of the second one, also given, differ more than one scale can hold."""
    net = Net([1, 3, 12, 12], opset=13)
    sizes = np.exp(net.stream.uniform(-5, 5, 8))
    weights = net.stream.randn(8, 8, 3, 3) * sizes[:, None, None, None]
    axes = (0, 1, 2, 3) if op_type == "Conv" else (1, 0, 2, 3)
    given = net.constant(weights.astype(np.float32).transpose(axes))
    y = net.add(op_type, net.conv("data", 3, 8), given, net.normal(8))
    pool = {"kernel_shape": [2, 2]} if between == "MaxPool" else {}
    after = net.add(between, y, **pool) if between else y
    last = net.constant((net.stream.randn(4, 8, 1, 1) / sizes[:, None, None]).astype(np.float32))
    return net.model(net.add("Conv", after, last)), y


def with_one_in_float(model: onnx.ModelProto, name: str, form: str) -> onnx.ModelProto:
    result = prepare(model)
    ranges = calibrate(to_proto(result), random_samples(model, 16))
    integer = {step.name for step in units(result) if step.form} - {name}
    write_integer(result, partition(result, integer), ranges, Target(form), [name])
    return to_proto(result)


@pytest.mark.parametrize("form", ["integer", "qdq"])
@pytest.mark.parametrize("between", SHAPES)
@pytest.mark.parametrize("op_type", ["Conv", "ConvTranspose"])
def test_the_runtime_reads_its_float_weights(op_type: str, between: str, form: str, tmp_path: Path) -> None:
    written = with_one_in_float(*uneven(between, op_type), form)
    constants, [kept] = as_run(written, tmp_path, "Conv", "FusedConv", "ConvTranspose")
    assert [constants.get(name) for name in kept.input[1:3]] == [np.float32, np.float32]


@pytest.mark.parametrize("op_type", ["Gemm", "MatMul"])
def test_the_runtime_reads_float_weights_of_products(op_type: str, tmp_path: Path) -> None:
    net = Net([5, 8, 1, 1], opset=13)
    x = net.add("Flatten", net.conv("data", 8, 16))
    weights, bias = net.normal(16, 12), net.normal(12)
    y = net.add("Gemm", x, weights, bias) if op_type == "Gemm" else net.add("MatMul", x, weights)
    after = net.add("Relu", net.add("Add", y, bias) if op_type == "MatMul" else y)
    model = net.model(net.add("MatMul", after, net.normal(12, 4)))
    written = with_one_in_float(model, y, "integer")
    constants, [kept] = as_run(written, tmp_path, "Gemm", "FusedGemm")
    assert [constants.get(name) for name in kept.input[1:3]] == [np.float32, np.float32]


def as_run(model: onnx.ModelProto, folder: Path, *op_types: str) -> tuple[dict[str, np.dtype], list[onnx.NodeProto]]:
    """Types of the constants of the graph that ONNX Runtime makes, and its nodes of these operators."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "run.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    run = onnx.load(folder / "run.onnx").graph
    constants = {tensor.name: numpy_helper.to_array(tensor).dtype for tensor in run.initializer}
    return constants, [node for node in run.node if node.op_type in op_types]


@pytest.mark.parametrize("between", SHAPES)
def test_its_outputs_are_those_of_the_file(between: str) -> None:
    model, name = uneven(between, "Conv")
    written = with_one_in_float(model, name, "integer")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = onnxruntime.InferenceSession(written.SerializeToString(), options, providers=["CPUExecutionProvider"])
    sample = random_samples(model, 1)[0]
    [wanted] = plain.run(None, dict(sample))
    [found] = runner_for(written).run(sample).values()
    np.testing.assert_allclose(found, wanted, atol=0.05 * wanted.std())
