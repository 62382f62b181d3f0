"""Weights that stay in float are stored as int8, with a scale for each output channel."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.optimize.nets import Net
from zoosmith.optimize import to_ir, to_proto
from zoosmith.quantize import QuantizeError, quantize
from zoosmith.quantize.calibration import calibrate
from zoosmith.quantize.writing.stored_weights import store_as_int8, stores_int8
from zoosmith.validation import OnnxRuntimeRunner, random_inputs


def layer(kind: str) -> onnx.ModelProto:
    """One layer whose output channels have weights of very different size."""
    shape = [1, 16, 4, 4] if kind == "Conv" else [3, 16]
    net = Net(shape)
    sizes = np.logspace(-3, 3, 32).astype(np.float32)
    weights = net.stream.randn(32, 16).astype(np.float32) * sizes[:, None]
    if kind == "Conv":
        return net.model(net.add("Conv", "data", net.constant(weights[:, :, None, None])))
    if kind == "transposed Gemm":
        return net.model(net.add("Gemm", "data", net.constant(weights), transB=1))
    return net.model(net.add(kind, "data", net.constant(np.ascontiguousarray(weights.T))))


@pytest.mark.parametrize("kind", ["Conv", "Gemm", "transposed Gemm", "MatMul"])
def test_each_output_channel_keeps_its_precision(kind: str) -> None:
    model = layer(kind)
    changed = to_ir(model)
    store_as_int8(changed, list(changed.graph), {})
    result = to_proto(changed)
    onnx.checker.check_model(result, full_check=True)
    arrays = [numpy_helper.to_array(tensor) for tensor in result.graph.initializer]
    assert sorted(array.size for array in arrays) == [32, 512]
    assert next(array.dtype for array in arrays if array.size == 512) == np.int8
    inputs = random_inputs(model, seed=1)
    [exact], [found] = (OnnxRuntimeRunner(each).run(inputs).values() for each in (model, result))
    axes = tuple(axis for axis in range(exact.ndim) if axis != 1)
    assert (np.abs(found - exact).max(axis=axes) < 0.02 * np.abs(exact).max(axis=axes)).all()


def test_few_weights_stay_as_they_are() -> None:
    net = Net([1, 4, 4, 4])
    model = to_ir(net.model(net.conv("data", 4, 4)))
    store_as_int8(model, list(model.graph), {})
    assert [node.op_type for node in model.graph] == ["Conv"]


def test_what_rounding_adds_on_average_goes_into_the_bias() -> None:
    net = Net([1, 64, 8, 8])
    model = net.model(net.conv("data", 64, 16, bias=True))
    sample = {"data": random_inputs(model, seed=3)["data"] + np.float32(20)}
    [exact] = OnnxRuntimeRunner(model).run(sample).values()
    errors = []
    for ranges in ({}, calibrate(model, [sample], tensors=["data"])):
        changed = to_ir(model)
        store_as_int8(changed, list(changed.graph), ranges)
        [found] = OnnxRuntimeRunner(to_proto(changed)).run(sample).values()
        errors.append(float(np.abs((found - exact).mean(axis=(0, 2, 3))).max()))
    assert errors[1] < 0.02 * errors[0]


def test_a_model_that_stores_its_weights_so_is_quantized_already() -> None:
    net = Net([3, 32])
    model = net.model(net.add("MatMul", "data", net.normal(32, 16)))
    assert not stores_int8(model)
    changed = to_ir(model)
    store_as_int8(changed, list(changed.graph), {})
    result = to_proto(changed)
    assert stores_int8(result)
    with pytest.raises(QuantizeError, match="already quantized: it holds weights stored as int8"):
        quantize(result, [random_inputs(model, seed=0)])
