import json
import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoosmith.validation import compare

SCORES = np.array([[1.0, 5.0, 2.0], [7.0, 0.0, 3.0]], np.float32)


def one(expected, actual, **limits):
    return compare({"y": expected}, {"y": actual}, **limits).outputs[0]


def test_equal_arrays_pass_with_zero_error_and_full_cosine():
    result = one(SCORES, SCORES.copy())
    assert result.passed and result.max_abs == 0 and result.max_rel == 0
    assert result.cosine == pytest.approx(1)
    assert result.same_top1 is True


@given(st.floats(1e-3, 1e3), st.sampled_from([0.5, 2.0]))
def test_the_limit_grows_with_the_standard_deviation_and_with_the_value(scale, excess):
    expected = (np.array([-1.0, 0.0, 3.0, -2.0]) * scale).astype(np.float64)
    allowed = 1e-5 * expected.std() + 1e-3 * np.abs(expected)
    assert one(expected, expected + allowed * excess).passed is (excess < 1)


def test_figures_are_what_their_names_say():
    expected = np.array([[2.0, 4.0, 0.0]])
    result = one(expected, np.array([[2.0, 4.5, 0.1]]))
    assert not result.passed
    assert result.max_abs == pytest.approx(0.5)
    assert result.max_rel == pytest.approx(0.125)  # the zero has no relative error
    assert result.max_scaled == pytest.approx(0.5 / expected.std())
    assert result.scale == pytest.approx(expected.std())


def test_the_top1_is_looked_for_in_each_row_over_all_other_axes():
    moved = SCORES[:, :, None, None].copy()
    moved[1, 2] = 8
    assert one(SCORES[:, :, None, None], moved).same_top1 is False
    assert one(SCORES[0], SCORES[0]).same_top1 is None


@pytest.mark.parametrize("value", [5.0, 0.0])
def test_constant_outputs_are_scaled_by_their_magnitude_and_zeros_by_one(value):
    expected = np.full(4, value)
    assert one(expected, expected + 5e-6).passed
    assert not one(expected, expected + 0.1).passed
    assert one(expected, expected).scale == (value or 1)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, ml_dtypes.int4])
def test_whole_numbers_must_be_equal(dtype):
    expected = np.array([0, 1, 1, 0]).astype(dtype)
    assert one(expected, expected.copy()).passed
    other = expected.copy()
    other[2] = 0
    result = one(expected, other)
    assert not result.passed and result.reason == "1 of 4 elements differ" and result.max_abs is None


def test_strings_are_compared_by_content_whatever_holds_them():
    assert one(np.array(["a", "bc"], object), np.array(["a", "bc"])).passed
    assert not one(np.array(["a", "bc"], object), np.array(["a", "bd"], object)).passed


def test_nan_and_infinity_pass_only_at_the_same_place_with_the_same_sign():
    expected = np.array([1.0, math.nan, math.inf, 2.0])
    assert one(expected, expected.copy()).passed
    for place, value in ((1, 1.0), (2, -math.inf), (0, math.nan), (2, math.nan), (3, math.inf)):
        changed = expected.copy()
        changed[place] = value
        result = one(expected, changed)
        assert not result.passed and "different places" in (result.reason or "")


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2])
def test_narrow_floats_may_differ_by_their_last_place_but_not_by_half(dtype):
    expected = np.array([1.0, 1.5, -1.25], np.float32).astype(dtype)
    step = float(ml_dtypes.finfo(dtype).eps)
    assert one(expected, (expected.astype(np.float32) + np.float32([step, 0, 0])).astype(dtype)).passed
    assert not one(expected, (expected.astype(np.float32) * 3).astype(dtype)).passed


def test_complex_numbers_are_compared_by_distance():
    expected = np.array([1 + 2j, -1j], np.complex64)
    assert one(expected, expected.copy()).passed
    result = one(expected, expected + np.complex64(1j))
    assert not result.passed and result.max_abs == pytest.approx(1)


@pytest.mark.parametrize(
    ("actual", "reason"),
    [
        (SCORES[:1], "shape [1, 3], expected [2, 3]"),
        (SCORES.astype(np.float64), "type float64, expected float32"),
        (None, "nothing, expected a value"),
    ],
)
def test_another_shape_type_or_kind_fails_with_its_reason(actual, reason):
    result = compare({"y": SCORES}, {"y": actual})
    assert not result.passed and result.reason == f"y: {reason}"


def test_an_output_that_one_side_lacks_fails():
    assert compare({"y": SCORES}, {}).reason == "y: missing"
    assert compare({}, {"z": SCORES}).reason == "z: not expected"


def test_empty_arrays_of_equal_shape_pass():
    assert one(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)).passed
    assert not one(np.zeros((0, 3), np.float32), np.zeros((3, 0), np.float32)).passed


def test_sequences_maps_and_empty_optionals_are_compared_inside():
    expected = {"s": [SCORES, SCORES + 1], "m": [{1: 0.5}], "o": None}
    assert compare(expected, {"s": [SCORES, SCORES + 1], "m": [{1: 0.5}], "o": None}).passed
    assert compare(expected, {**expected, "s": [SCORES]}).reason == "len(s): 1 of 1 elements differ"
    wrong = compare(expected, {**expected, "s": [SCORES, SCORES]})
    assert [output.name for output in wrong.outputs if not output.passed] == ["s[1]"]


def test_the_whole_has_the_figures_of_its_worst_output_and_is_plain_json():
    result = compare({"a": SCORES, "b": SCORES}, {"a": SCORES, "b": SCORES + 1})
    assert not result.passed and result.max_abs == pytest.approx(1)
    assert result.cosine == min(o.cosine for o in result.outputs if o.cosine is not None)
    data = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert data["passed"] is False and [o["name"] for o in data["outputs"]] == ["a", "b"]
    assert str(result).startswith("differs: b: ")


def test_a_comparison_says_whether_outputs_are_equal_close_or_differ():
    assert str(compare({"y": SCORES}, {"y": SCORES.copy()})) == "equal"
    assert str(compare({"y": SCORES}, {"y": SCORES * np.float32(1.0001)})) == "close: largest error 0.0007"
    assert str(compare({"y": np.int64([1, 2])}, {"y": np.int64([1, 2])})) == "equal"
    assert str(compare({"y": np.int64([1, 2])}, {"y": np.int64([1, 3])})) == "differs: y: 1 of 2 elements differ"
