"""Scale and zero point of a range hold it, in numbers that a file can state."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoosmith.quantize.writing.quantization_parameters import LEVELS, QuantizationParameters, per_channel, per_tensor

ENDS = st.floats(allow_nan=False, allow_infinity=False, width=32)


def encoded(values: np.ndarray, parameters: QuantizationParameters) -> np.ndarray:
    return values / parameters.scale + parameters.zero_point


@given(st.lists(st.tuples(ENDS, ENDS), min_size=1, max_size=4), st.booleans())
def test_both_ends_of_a_range_are_uint8_numbers(ranges: list[tuple[float, float]], symmetric: bool) -> None:
    low, high = (np.array([choose(ends) for ends in ranges], np.float64) for choose in (min, max))
    for parameters in (per_channel(low, high), per_tensor(low, high, symmetric=symmetric)):
        assert (encoded(low, parameters) >= -0.5 - 1e-6).all()
        assert (encoded(high, parameters) <= LEVELS + 0.5 + 1e-6).all()
        assert np.float32(parameters.nominal_scale) > 0
        assert np.isfinite(np.float32(parameters.nominal_scale))


@given(ENDS, ENDS)
def test_zero_is_exact_in_one_scale_for_all(one: float, other: float) -> None:
    parameters = per_tensor(np.array([min(one, other)]), np.array([max(one, other)]))
    assert parameters.zero_point[0] == np.rint(parameters.zero_point[0])
    assert 0 <= parameters.zero_point[0] <= LEVELS


@pytest.mark.parametrize("size", [0.0, 1e-45, 1e-39])
def test_a_range_below_the_numbers_of_float32_has_a_scale_that_can_be_divided_by(size: float) -> None:
    for parameters in (per_tensor(np.array([-size]), np.array([size])), per_channel(np.zeros(2), np.full(2, size))):
        assert np.float32(parameters.nominal_scale) >= np.finfo(np.float32).tiny
