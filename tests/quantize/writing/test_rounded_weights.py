"""The weights of a layer are rounded by what they multiply, where that is known."""

import numpy as np
import pytest

from tests.optimize.nets import Net
from zoosmith.optimize import to_ir
from zoosmith.optimize.values import input_constant
from zoosmith.quantize.calibration import calibrate
from zoosmith.quantize.writing.rounded_weights import RoundedWeights, round_weights


def rounded(shape: list[int], samples: np.ndarray, *, by_range: bool) -> tuple[RoundedWeights, np.ndarray]:
    """Those of a MatMul by 12 x 6 weights, and their errors."""
    net = Net(shape)
    model = net.model(net.add("MatMul", "data", net.normal(12, 6)))
    seen = calibrate(model, [{"data": samples.astype(np.float32)}], tensors=["data"])["data"]
    [layer] = to_ir(model).graph
    found, weights = round_weights(layer, seen if by_range else None), input_constant(layer, 1)
    assert weights is not None
    return found, found.error(weights)


def test_columns_that_vary_more_are_rounded_less() -> None:
    sizes = np.geomspace(1e-2, 1e2, 12)
    values = np.random.RandomState(0).randn(64, 12) * sizes
    known, unknown = (rounded([64, 12], values, by_range=each) for each in (True, False))
    errors = [np.square(values @ error).mean() for _, error in (known, unknown)]
    assert errors[0] < 0.9 * errors[1]


@pytest.mark.parametrize("length", [12, 6])
def test_the_range_of_positions_says_nothing_of_the_axis_that_is_summed_over(length: int) -> None:
    # the ranges of axis 1 are those of positions here, even where there are as many of them as columns
    values = np.random.RandomState(0).randn(1, length, 12) * np.geomspace(1e-2, 1e2, length)[:, None]
    known, unknown = (rounded([1, length, 12], values, by_range=each) for each in (True, False))
    np.testing.assert_array_equal(known[0].packed, unknown[0].packed)
    assert not known[0].shift.any()
