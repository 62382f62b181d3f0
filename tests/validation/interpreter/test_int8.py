"""Int8 operators of the interpreter: the very integers of the real Caffe2."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.validation import int8_nets
from tests.validation.caffe2_nets import net_of
from tests.validation.recordings import Recording, random_case, recordings, run_caffe2
from zoosmith.validation import Caffe2Worker, ValidationError, interpret
from zoosmith.validation.interpreter.fixed_point import multiply_once_rounded, multiply_twice_rounded, shift_half_away


def assert_caffe2s_integers(net, inputs, expected):
    if expected is None:
        with pytest.raises(ValidationError):
            interpret(net, None, inputs)
        return
    actual = interpret(net, None, inputs)
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, strict=True)


@pytest.mark.parametrize("case", recordings("int8"), ids=str)
def test_a_random_net_gives_the_integers_that_caffe2_gave(case: Recording):
    assert_caffe2s_integers(case.net, case.inputs, case.outputs)


@pytest.mark.caffe2
@pytest.mark.parametrize("kind", int8_nets.KINDS)
def test_a_random_net_gives_the_integers_that_caffe2_gives(kind: str, caffe2_worker: Caffe2Worker):
    for seed in range(1000, 1040):
        net, inputs = random_case(int8_nets.KINDS[kind], seed)
        assert_caffe2s_integers(net, inputs, run_caffe2(net, inputs, caffe2_worker))


@given(st.integers(-(2**30), 2**30), st.integers(0, 24))
def test_a_shift_rounds_halves_away_from_zero(value: int, shift: int):
    expected = np.sign(value) * np.floor(abs(value) / 2**shift + 0.5)
    assert shift_half_away(np.array([value]), shift)[0] == expected


def test_convolutions_round_twice_and_so_lift_what_is_just_below_a_half():
    # A scale just below 2**-8: the first rounding leaves 7 bits behind the point, and 127.99 of them are 128.
    scale = np.nextafter(np.float32(2**-8), np.float32(0))
    assert multiply_twice_rounded(np.array([127, 128, -128, 384]), scale).tolist() == [0, 1, -1, 2]
    assert multiply_once_rounded(np.array([127, 128, -128, 384]), scale).tolist() == [0, 0, 0, 1]


def test_quantization_rounds_halves_to_even_and_saturates():
    net = net_of(("Int8Quantize", "x", "y", {"Y_scale": 0.5, "Y_zero_point": 10}))
    x = np.float32([0.25, 0.75, -0.25, -0.75, 1000, -1000])
    assert interpret(net, None, {"x": x})["y"].tolist() == [10, 12, 10, 8, 255, 0]


def test_moving_integers_under_another_scale_is_refused_by_name():
    net = net_of(
        ("Int8Quantize", "x", "q", {"Y_scale": 0.5, "Y_zero_point": 10}),
        ("Int8Transpose", "q", "y", {"Y_scale": 0.25, "Y_zero_point": 10}),
    )
    with pytest.raises(ValidationError, match=r"Int8Transpose \(output 'y'\): has Y_scale 0.25"):
        interpret(net, None, {"x": np.zeros((1, 2), np.float32)})


def test_another_engines_arithmetic_is_refused():
    net = net_of(("Int8Quantize", "x", "y", {"Y_scale": 0.5, "Y_zero_point": 10}))
    net.op[0].engine = "DNNLOWP"
    with pytest.raises(ValidationError, match=r"Int8Quantize.*engine 'DNNLOWP'"):
        interpret(net, None, {"x": np.zeros(1, np.float32)})
