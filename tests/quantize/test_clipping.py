"""Rare large values are cut off where all others gain more by it."""

import numpy as np

from tests.optimize.nets import Net
from zoosmith.optimize import to_proto
from zoosmith.quantize.calibration import Range, Samples, calibrate
from zoosmith.quantize.clipping import narrow_ranges
from zoosmith.quantize.plan.partition import partition, units
from zoosmith.quantize.plan.planning import tensor_shapes
from zoosmith.quantize.plan.shared_scales import choose_parameters
from zoosmith.quantize.quantizer import prepare
from zoosmith.quantize.target import INTEGER


def narrowed(samples: Samples) -> Range:
    """The range of the input of a convolution."""
    net = Net([1, 4, 256, 256])
    model = prepare(net.model(net.conv("data", 4, 4)))
    exact = to_proto(model)
    ranges = calibrate(exact, samples, tensors=tensor_shapes(model, exact, samples))
    parts = partition(model, {step.name for step in units(model)})
    return narrow_ranges(exact, lambda found: choose_parameters(model, parts, found, INTEGER), ranges, samples)["data"]


def data(*, outlier: float = 0.0, low: float = -1.0) -> Samples:
    values = np.random.RandomState(0).uniform(low, 1, (1, 4, 256, 256)).astype(np.float32)
    if outlier:
        values[0, 0, 0, 0] = outlier
    return [{"data": values}]


def test_a_rare_value_is_cut_off() -> None:
    found = narrowed(data(outlier=2.0))
    assert 0.9 < found.high.max() < 1.6


def test_a_uniform_range_stays_nearly_whole() -> None:
    found = narrowed(data())
    assert found.high.max() > 0.95
    assert found.low.min() < -0.95


def test_the_shorter_tail_is_not_cut_with_the_longer_one() -> None:
    found = narrowed(data(outlier=2.0, low=-0.25))
    assert found.high.max() < 1.6
    assert found.low.min() < -0.24
