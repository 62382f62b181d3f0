"""Nets with sequences: they are simplified and quantized around them, and calibrated on sequences."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from zoosmith.optimize import optimize
from zoosmith.quantize import quantize_within
from zoosmith.quantize.quantizer import quantize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.samples.statistics import check_samples
from zoosmith.quantize.similarity import CosineLoss
from zoosmith.quantize.target import Target
from zoosmith.validation import runner_for

BODIES = {
    "inside": """(float[1, 16] x) => (float[1, 8] y) {
        a = MatMul (x, w)  b = Relu (a)  s = SplitToSequence <axis = 1> (b)  c = ConcatFromSequence <axis = 1> (s)
        d = MatMul (c, v)  e = Tanh (d)  y = MatMul (e, v) }""",
    "as input": """(seq(float[1, 16]) x) => (float[1, 8] y) {
        i = Constant <value = int64 {0}> ()  a = SequenceAt (x, i)  b = MatMul (a, w)  y = MatMul (b, v) }""",
}


def net(body: str) -> onnx.ModelProto:
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["": 13]> g {BODIES[body]}')
    random = np.random.RandomState(0)
    for name, shape in {"w": (16, 8), "v": (8, 8)}.items():
        model.graph.initializer.append(numpy_helper.from_array(random.randn(*shape).astype(np.float32), name))
    return model


@pytest.mark.parametrize("body", BODIES)
def test_a_net_is_optimized(body: str) -> None:
    onnx.checker.check_model(optimize(net(body)), full_check=True)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("form", ["integer", "qdq"])
def test_a_net_is_quantized(body: str, form: str) -> None:
    model = net(body)
    samples = random_samples(model, 8)
    check_samples(model, samples)
    result = quantize(model, samples, target=Target(form, every_layer=True))
    sample = samples[0]
    wanted, found = (runner_for(each).run(sample)["y"] for each in (model, result))
    assert np.abs(wanted - found).mean() < 0.1 * wanted.std()


@pytest.mark.parametrize("body", BODIES)
def test_what_rounding_costs_is_measured_from_block_to_block(body: str) -> None:
    model = net(body)
    samples = random_samples(model, 8)
    target = Target(every_layer=True)
    result = quantize_within(model, samples, CosineLoss(model, samples), 0.0, keep=1, rank=True, target=target)
    assert len(result.kept) >= 1
