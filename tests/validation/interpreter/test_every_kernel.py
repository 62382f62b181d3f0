"""Every operator that the interpreter knows has a case in `tests/caffe2_cases`, and computes what Caffe2 does there."""

import numpy as np
import pytest

from tests.caffe2_cases import operator_cases
from tests.caffe2_cases.case import OperatorCase
from tests.validation.recordings import Recording, recordings
from zoosmith.validation import Caffe2Runner, Caffe2Worker, ValidationError, interpret
from zoosmith.validation.interpreter.registry import KERNELS

Arrays = dict[str, np.ndarray]

RECORDINGS = recordings("operators")

# What Caffe2 on a CPU does not have: type -> inputs, and the output worked out by hand.
BY_HAND: dict[str, tuple[list[np.ndarray], list[object]]] = {
    "CopyCPUToGPU": ([np.float32([[1, -2]])], [[1, -2]]),
    "CopyGPUToCPU": ([np.float32([[1, -2]])], [[1, -2]]),
    # rows 2 and 0, none, row 1: the largest of each column; no rows give zeros
    "SparseLengthsMax": (
        [np.float32([[1, -5], [-3, -4], [0, 2]]), np.int64([2, 0, 1]), np.int32([2, 0, 1])],
        [[1, 2], [0, 0], [-3, -4]],
    ),
    "UpsampleNearest": (
        [np.float32([[[[1, 2], [3, 4]]]])],
        [[[[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]]],
    ),
    # bins of 2 by 2 pixels, each of its own channel; of the second region, of 2 by 1, half lies outside
    "PSRoIPool": (
        [np.arange(64, dtype=np.float32).reshape(1, 4, 4, 4), np.float32([[0, 0, 0, 3, 3], [0, -3, 1, 0, 2]])],
        [[[[2.5, 20.5], [42.5, 60.5]]], [[[0, 20], [0, 56]]]],
    ),
}


def assert_same(expected: Arrays, actual: Arrays) -> None:
    for name, value in expected.items():
        assert (actual[name].dtype, actual[name].shape) == (value.dtype, value.shape), name
        tolerance = {"rtol": 1e-3, "atol": 1e-5} if value.dtype.kind == "f" else {"rtol": 0.0, "atol": 0.0}
        np.testing.assert_allclose(actual[name], value, err_msg=name, **tolerance)


def test_every_kernel_has_a_case():
    assert set(KERNELS) - {case.operator for case in operator_cases()} == set()


@pytest.mark.parametrize("case", operator_cases(), ids=str)
def test_every_case_is_computed_to_its_end(case: OperatorCase):
    outputs = interpret(case.net, case.parameters, case.inputs)
    assert list(outputs) == list(case.net.external_output)


@pytest.mark.parametrize("recorded", RECORDINGS, ids=str)
def test_a_kernel_gives_what_caffe2_gave(recorded: Recording):
    assert recorded.outputs is not None
    assert_same(recorded.outputs, interpret(recorded.net, recorded.parameters, recorded.inputs))


def test_every_operator_that_caffe2_has_is_recorded():
    recorded = {op.type for case in RECORDINGS for net in (case.net, case.parameters) for op in net.op}
    missing = {case.operator for case in operator_cases() if case.real} - recorded
    assert not missing, "run `python -m tests.validation.recordings` where Caffe2 is installed"


def test_every_operator_that_caffe2_has_not_is_worked_out_by_hand():
    assert {case.operator for case in operator_cases() if not case.real} == set(BY_HAND)


@pytest.mark.parametrize("kind", BY_HAND)
def test_a_kernel_gives_the_numbers_worked_out_by_hand(kind: str):
    inputs, expected = BY_HAND[kind]
    net = next(case.net for case in operator_cases() if case.operator == kind)
    assert interpret(net, None, dict(zip(net.external_input, inputs, strict=True)))["o0"].tolist() == expected


@pytest.mark.caffe2
def test_every_case_gives_what_caffe2_gives(caffe2_worker: Caffe2Worker):
    for case in operator_cases():
        runner = Caffe2Runner(case.net, case.parameters, worker=caffe2_worker)
        try:
            if case.real:
                assert_same(runner.run(case.inputs), interpret(case.net, case.parameters, case.inputs))
            else:
                with pytest.raises(ValidationError, match="Cannot create operator"):
                    runner.run(case.inputs)
        except AssertionError as difference:
            raise AssertionError(f"{case}: {difference}") from None
        finally:
            runner.close()
