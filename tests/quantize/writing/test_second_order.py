"""Weights rounded by the covariance of what they multiply."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zoosmith.onnx_model.constants import Array
from zoosmith.quantize.writing.second_order import round_by_covariance
from zoosmith.quantize.writing.weights import LIMIT, PAIR_LIMIT


def correlated(stream: np.random.RandomState, groups: int, count: int) -> Array:
    """Covariances of values that a third as many numbers explain, nearly."""
    mixed = stream.randn(groups, count, max(1, count // 3))
    return mixed @ mixed.transpose(0, 2, 1) + 0.01 * np.eye(count)


def expected_error(weights: Array, rounded: Array, scale: Array, covariance: Array) -> float:
    groups, count = covariance.shape[:2]
    error = (rounded * scale[:, None] - weights).reshape(groups, -1, count)
    return float(np.einsum("gok,gkl,gol->", error, covariance, error))


def test_values_without_correlation_leave_each_weight_to_itself() -> None:
    weights = np.random.RandomState(0).uniform(-1, 1, (8, 70))
    scale = np.full(8, 1 / LIMIT)
    rounded = round_by_covariance(weights, scale, np.eye(70)[None], neighbours=False)
    np.testing.assert_array_equal(rounded, np.rint(weights * LIMIT))


@given(st.integers(0, 2**16), st.sampled_from([(1, 130, 8), (1, 9, 4), (5, 9, 2), (3, 66, 3)]), st.booleans())
def test_errors_of_weights_make_up_for_each_other(seed: int, sizes: tuple[int, int, int], neighbours: bool) -> None:
    groups, count, outputs = sizes
    stream = np.random.RandomState(seed)
    weights = stream.uniform(-1, 1, (groups * outputs, count))
    # half as large, so that neighbours stay within what they may add up to
    scale = np.full(len(weights), 2 / LIMIT)
    covariance = correlated(stream, groups, count)
    rounded = round_by_covariance(weights, scale, covariance, neighbours=neighbours)
    nearest = np.rint(weights / scale[:, None])
    found, usual = (expected_error(weights, each, scale, covariance) for each in (rounded, nearest))
    assert found < 0.8 * usual


@given(st.integers(0, 2**16), st.sampled_from([9, 64, 65, 130]))
def test_neighbours_stay_within_what_two_products_may_add_up_to(seed: int, count: int) -> None:
    stream = np.random.RandomState(seed)
    weights = stream.uniform(0.5, 1, (4, count)) * stream.choice([-1, 1], (4, 1))
    scale = np.full(4, 1 / LIMIT)
    rounded = round_by_covariance(weights, scale, correlated(stream, 1, count), neighbours=True)
    assert np.abs(rounded).max() <= LIMIT
    pairs = rounded[:, : count // 2 * 2].reshape(4, -1, 2)
    assert np.abs(pairs.sum(axis=2)).max() <= PAIR_LIMIT


def test_what_is_never_seen_is_rounded_to_the_nearest() -> None:
    weights = np.random.RandomState(1).uniform(-1, 1, (6, 9))
    rounded = round_by_covariance(weights, np.full(6, 1 / LIMIT), np.zeros((3, 9, 9)), neighbours=False)
    np.testing.assert_array_equal(rounded, np.rint(weights * LIMIT))
