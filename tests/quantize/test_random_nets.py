"""Small random nets in every form: the file loads, and is as near to the float net as stated, node by node as well."""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from tests.optimize.nets import Net
from zoosmith.quantize import quantize_within
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.errors import NothingToQuantizeError
from zoosmith.quantize.half_precision import to_half
from zoosmith.quantize.runtime_kernels import UINT8_MAX, has_release
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.similarity import CosineLoss, cosine
from zoosmith.quantize.target import Target
from zoosmith.validation import OnnxRuntimeRunner
from zoosmith.validation.runtimes import target_for

CHANNELS = 8
# every operator keeps the number of channels; height and width are kept as well, so that any two values can meet. The
# width is that of the channels, so that one axis that is taken for the other shows in the values
SHAPE = [1, CHANNELS, 7, CHANNELS]
Grow = Callable[[Net, str, str], str]


def _convolution(net: Net, x: str, _: str) -> str:
    kernel, group = int(net.stream.choice([1, 3])), int(net.stream.choice([1, 2, CHANNELS]))
    spread = float(np.exp(net.stream.uniform(-4, 4)))
    weights = net.normal(CHANNELS, CHANNELS // group, kernel, kernel, spread=spread)
    bias = net.normal(CHANNELS, spread=spread)
    return net.add("Conv", x, weights, bias, group=group, pads=[kernel // 2] * 4)


def _joined(net: Net, x: str, y: str) -> str:
    return net.conv(net.add("Concat", x, y, axis=1), 2 * CHANNELS, CHANNELS)


def _activated(net: Net, x: str, y: str) -> str:
    """A Concat, an affine that grows in all channels or in some, a Relu, and a convolution without padding."""
    scale = net.stream.choice([1, 1, -1]) * net.stream.randn(2 * CHANNELS)
    scale = (np.abs(scale) if net.stream.rand() < 0.5 else scale) * float(np.exp(net.stream.uniform(-4, 4)))
    scale[net.stream.randint(2 * CHANNELS)] = 0
    joined = net.add("Concat", x, y, axis=1)
    others = [net.stream.randn(2 * CHANNELS) for _ in range(2)]
    variance = net.stream.rand(2 * CHANNELS) + 0.3
    given_values = [net.constant(np.float32(value)) for value in (scale, *others, variance)]
    x = net.add("Relu", net.add("BatchNormalization", joined, *given_values))
    return net.conv(x, 2 * CHANNELS, CHANNELS)


def _gate(net: Net, x: str, _: str) -> str:
    pooled = net.add("GlobalAveragePool", x)
    return net.add("Mul", x, net.add("Sigmoid", net.conv(pooled, CHANNELS, CHANNELS)))


def _turned(net: Net, x: str, _: str) -> str:
    rows = net.add("Transpose", x, perm=[0, 2, 3, 1])
    product = net.add("MatMul", rows, net.normal(CHANNELS, CHANNELS, spread=0.3))
    return net.add("Transpose", product, perm=[0, 3, 1, 2])


def _across(net: Net, x: str, _: str) -> str:
    return net.add("MatMul", x, net.normal(CHANNELS, CHANNELS, spread=0.35))


def _reshaped(net: Net, x: str, *shape: int) -> str:
    return net.add("Reshape", x, net.constant(np.array(shape)))


def _rows(net: Net, x: str, _: str) -> str:
    weights = net.normal(CHANNELS, CHANNELS, spread=0.5)
    product = net.add("Gemm", _reshaped(net, x, -1, CHANNELS), weights, net.normal(CHANNELS), transB=1, alpha=0.5)
    return _reshaped(net, product, *SHAPE)


def _signal(net: Net, x: str, _: str) -> str:
    weights = net.normal(CHANNELS, CHANNELS, 3, spread=0.25)
    return _reshaped(net, net.add("Conv", _reshaped(net, x, 1, CHANNELS, -1), weights, pads=[1, 1]), *SHAPE)


def _shifted(net: Net, x: str, _: str) -> str:
    return net.add("Add", x, net.constant(net.stream.uniform(-500, 500, (CHANNELS, 1, 1)).astype(np.float32)))


def _pooled(op_type: str) -> Grow:
    return lambda net, x, _: net.add(op_type, x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def _simple(op_type: str, **values: object) -> Grow:
    return lambda net, x, _: net.add(op_type, x, **values)


OPERATORS: dict[str, Grow] = {
    "convolution": _convolution,
    "another convolution": _convolution,
    "concat": _joined,
    "activated": _activated,
    "gate": _gate,
    "matrix": _turned,
    "matrix over the width": _across,
    "rows": _rows,
    "signal": _signal,
    "shift": _shifted,
    "add": lambda net, x, y: net.add("Add", x, y),
    "silu": lambda net, x, _: net.add("Mul", x, net.add("Sigmoid", x)),
    "normalization": lambda net, x, _: net.batch_normalization(x, CHANNELS),
    "max": _pooled("MaxPool"),
    "average": _pooled("AveragePool"),
    "relu": _simple("Relu"),
    "leaky": _simple("LeakyRelu", alpha=0.1),
    "hard": _simple("HardSigmoid"),
    "tanh": _simple("Tanh"),
    "softmax": _simple("Softmax", axis=1),
}

TARGETS = {"integer": Target(), "every layer": Target(every_layer=True), "qdq": Target("qdq")}
if has_release(onnxruntime.__version__, UINT8_MAX):
    TARGETS["with thresholds"] = Target(every_layer=True, runtime=target_for("onnxruntime"))


def random_net(names: list[str], seed: int, opset: int) -> onnx.ModelProto:
    """A net of a convolution and the named operators, each on one of the last two values, and of two outputs."""
    net = Net(SHAPE, seed=seed, opset=opset)
    values = ["data", _convolution(net, "data", "data")]
    for name in names:
        x, y = (values[-int(net.stream.choice([1, 1, 2]))] for _ in range(2))
        values.append(OPERATORS[name](net, x, y))
    return net.model(*dict.fromkeys([values[-1], values[len(values) // 2]]))


def stated_and_measured(model: onnx.ModelProto, form: str, samples: Samples) -> tuple[onnx.ModelProto, float]:
    """A form of a model, and what it loses at the most as is stated."""
    if form == "float16":
        return to_half(model, samples, form).model, 1e-3
    found = quantize_within(model, samples, CosineLoss(model, samples), limit=0.01, target=TARGETS[form])
    return found.model, found.drop


def check(names: list[str], seed: int, opset: int, form: str) -> None:
    model = random_net(names, seed, opset)
    samples = random_samples(model, 2, seed=seed)
    exact = [OnnxRuntimeRunner(model).run(sample) for sample in samples]
    try:
        made, stated = stated_and_measured(model, form, samples)
    except NothingToQuantizeError:
        # no output reads a layer
        reject()
    onnx.checker.check_model(made, full_check=True)
    for node_by_node in (False, True):
        runner = OnnxRuntimeRunner(made, node_by_node=node_by_node)
        found = cosine(exact, [runner.run(sample) for sample in samples])
        assert found is not None
        assert 1 - found <= stated + 2e-3
        assert 1 - found <= 0.1


nets = given(
    names=st.lists(st.sampled_from(sorted(OPERATORS)), min_size=1, max_size=7),
    seed=st.integers(0, 10_000),
    opset=st.sampled_from([10, 11, 12, 13, 17]),
    form=st.sampled_from([*TARGETS, "float16"]),
)


@nets
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_a_random_net_loads_and_is_as_near_as_stated(names: list[str], seed: int, opset: int, form: str) -> None:
    check(names, seed, opset, form)


@pytest.mark.slow
@nets
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_many_random_nets_load_and_are_as_near_as_stated(names: list[str], seed: int, opset: int, form: str) -> None:
    check(names, seed, opset, form)
