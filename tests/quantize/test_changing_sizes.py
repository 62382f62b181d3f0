"""Nets whose output sizes depend on the values, as those with a NonMaxSuppression, are quantized and measured."""

import numpy as np
import onnx
import pytest

from tests.optimize.nets import Net
from zoosmith.quantize import quantize_within
from zoosmith.quantize.half_precision import to_half
from zoosmith.quantize.output_errors import output_error
from zoosmith.quantize.report import summarize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target


def picky_net() -> onnx.ModelProto:
    """Gives the values above a limit, as many as there are, doubled."""
    net = Net([1, 4, 8, 8], opset=13)
    scores = net.conv(net.conv("data", 4, 8), 8, 8)
    flat = net.add("Reshape", scores, net.constant(np.int64([-1])))
    chosen = net.add("Compress", flat, net.add("Greater", flat, net.constant(np.float32(0.5))))
    return net.model(net.add("Mul", chosen, net.constant(np.float32(2))))


def test_an_output_of_another_shape_counts_as_zeros() -> None:
    values, errors = output_error(np.float32([[1, 2]]), np.float32([[1, 3]]))
    assert (values.tolist(), errors.tolist()) == ([1, 2], [0, -1])
    assert [part.tolist() for part in output_error([1, 2], [1, 2, 3])] == [[1, 2], [1, 2]]


@pytest.mark.parametrize("keep", [0, 1])
def test_layers_are_ranked_and_errors_measured(keep: int) -> None:
    model = picky_net()
    samples = random_samples(model, 6)
    found = quantize_within(model, samples, keep=keep, rank=True, target=Target(every_layer=True))
    assert found.layers
    assert 0 <= summarize(model, found.model, samples).error < 1.5


def test_half_precision_measures_the_values_whose_number_stays() -> None:
    model = picky_net()
    half = to_half(model, random_samples(model, 4), "float16")
    assert any(layer.op_type == "Conv" and layer.snr_db and layer.snr_db > 40 for layer in half.layers)
