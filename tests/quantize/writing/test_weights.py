"""Int8 weights are close, and no pair of products leaves int16."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zoosmith.quantize.writing.weights import quantize_weights


@given(
    st.integers(1, 5), st.integers(1, 9), st.integers(1, 3), st.integers(0, 2**31), st.sampled_from([1e-6, 1.0, 1e4])
)
def test_neighbouring_channels_never_saturate_int16(
    outputs: int, inputs: int, kernel: int, seed: int, size: float
) -> None:
    weights = np.random.RandomState(seed).standard_t(2, (outputs, inputs, kernel, kernel)) * size
    packed = quantize_weights(weights, np.zeros(outputs), np.ones_like(weights))
    assert packed.weights.dtype == np.int8
    if inputs > 1:
        flat = np.moveaxis(packed.weights, 1, -1).reshape(outputs, -1).astype(np.int64)
        pairs = flat[:, 0:-1:2], flat[:, 1::2]
        highest = 255 * sum(np.maximum(part, 0) for part in pairs)
        lowest = 255 * sum(np.minimum(part, 0) for part in pairs)
        assert np.max(highest) <= 32767
        assert np.min(lowest) >= -32768


def test_one_weight_a_channel_is_exact() -> None:
    weights = np.random.RandomState(0).randn(50, 1, 1, 1)
    packed = quantize_weights(weights, np.zeros(50), np.ones_like(weights))
    assert set(np.abs(packed.weights).reshape(-1)) == {127}
    np.testing.assert_allclose(packed.weights * packed.scale[:, None, None, None], weights, rtol=1e-15)


def test_equal_neighbours_lose_little_beside_all_eight_bits() -> None:
    weights = np.random.RandomState(0).randn(64, 512, 1, 1)
    packed = quantize_weights(weights, np.zeros(64), np.ones_like(weights))
    error = np.sqrt(np.mean((packed.weights * packed.scale[:, None, None, None] - weights) ** 2))
    eight_bits = np.mean(np.abs(weights).max(axis=1)) / 127 / np.sqrt(12)
    assert error < 1.5 * eight_bits  # seven bits, the usual way out, are at 2


def test_a_large_bias_widens_the_scale_until_it_fits_int32() -> None:
    weights = np.full((2, 2, 1, 1), 1e-12)
    bias = np.array([1.0, 0.0])
    packed = quantize_weights(weights, bias, np.ones_like(weights))
    assert np.abs(bias / packed.scale).max() < 2**31


def test_channels_of_zeros_stay_zero() -> None:
    packed = quantize_weights(np.zeros((2, 3, 1, 1)), np.zeros(2), np.ones((2, 3, 1, 1)))
    assert not packed.weights.any()
    assert np.all(packed.scale > 0)
