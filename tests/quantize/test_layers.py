"""The values of each integer layer, held against the float ones."""

import numpy as np
import onnx
import pytest

from tests.optimize.nets import Net
from tests.quantize.all_integer import all_integer
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.layer import Layer
from zoosmith.quantize.layers import measure_layers, signal_to_noise
from zoosmith.quantize.samples.reading import random_samples


def layers_of(model: onnx.ModelProto, calibrated: Samples, measured: Samples) -> tuple[Layer, ...]:
    found = all_integer(model, calibrated)
    return measure_layers(found.exact, found.integer, found.parts, found.encodings, measured)


def doubling() -> onnx.ModelProto:
    """One convolution that gives each value of the input twice as large."""
    net = Net([1, 1, 10, 10])
    return net.model(net.add("Conv", "data", net.constant(np.full((1, 1, 1, 1), 2, np.float32)), name="twice"))


def ramp(top: float) -> Samples:
    return [{"data": np.linspace(-1, top, 100, dtype=np.float32).reshape(1, 1, 10, 10)}]


def test_the_ratio_is_that_of_rounding_to_256_steps() -> None:
    (layer,) = layers_of(doubling(), ramp(1), ramp(1))
    # a uniform range in n steps: 20 log10(n), less what the rounded input adds
    assert layer.snr_db == pytest.approx(20 * np.log10(255), abs=4)
    assert (layer.name, layer.op_type, layer.minimum, layer.maximum, layer.clipped) == ("twice", "Conv", -2, 2, 0)


def test_values_beyond_the_calibrated_range_are_counted_as_clipped() -> None:
    (layer,) = layers_of(doubling(), ramp(1), ramp(3))
    assert layer.clipped == pytest.approx(0.5, abs=0.02)
    assert layer.maximum == 6
    assert layer.snr_db is not None and layer.snr_db < 10


def test_scales_of_each_channel_are_taken_into_account() -> None:
    net = Net([1, 3, 8, 8])
    x = net.conv("data", 3, 6, bias=True)
    spread = net.constant(np.geomspace(0.01, 100, 6, dtype=np.float32).reshape(1, 6, 1, 1))
    model = net.model(net.conv(net.add("MaxPool", net.add("Mul", x, spread), kernel_shape=[2, 2]), 6, 4))
    layers = layers_of(model, random_samples(model, 6), random_samples(model, 6))
    assert all(layer.snr_db is not None and layer.snr_db > 25 for layer in layers)


def test_no_error_has_no_ratio() -> None:
    assert signal_to_noise(1, 0) is None
    assert signal_to_noise(100, 1) == pytest.approx(20)
