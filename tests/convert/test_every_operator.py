"""Every translator is held to the interpreter and to the real Caffe2 by the cases of `tests/caffe2_cases`."""

import numpy as np
import onnx
import pytest
from onnx.helper import np_dtype_to_tensor_dtype

from tests.caffe2_cases import operator_cases
from tests.caffe2_cases.case import OperatorCase
from zoosmith.convert import caffe2_to_onnx
from zoosmith.convert.registry import translators
from zoosmith.validation import Caffe2Runner, Caffe2Worker, OnnxRuntimeRunner, ValidationError, interpret

Arrays = dict[str, np.ndarray]


def translate(case: OperatorCase, opset: int | None = None) -> onnx.ModelProto:
    """Translate the net and check the model; without an opset at the lowest one from 9 on."""
    info = {blob: (np_dtype_to_tensor_dtype(x.dtype), x.shape) for blob, x in case.inputs.items()}
    model = caffe2_to_onnx(case.net, case.parameters, inputs=info, opset=opset, names="caffe2")
    onnx.checker.check_model(model, full_check=True)
    return model


def run(model: onnx.ModelProto, case: OperatorCase) -> Arrays:
    return OnnxRuntimeRunner(model, threads=1).run(case.inputs)


def assert_same(expected: Arrays, actual: Arrays) -> None:
    for (name, value), found in zip(expected.items(), actual.values(), strict=True):
        assert (found.dtype, found.shape) == (value.dtype, value.shape), name
        tolerance = {"rtol": 1e-3, "atol": 1e-4} if value.dtype.kind == "f" else {"rtol": 0.0, "atol": 0.0}
        np.testing.assert_allclose(found, value, err_msg=name, **tolerance)


def test_every_translator_has_a_case() -> None:
    known = set(translators())
    assert known - {case.operator for case in operator_cases()} == set()


def test_every_case_contains_the_operator_that_it_is_about() -> None:
    for case in operator_cases():
        assert case.operator in {op.type for op in case.net.op}


@pytest.mark.parametrize("case", [case for case in operator_cases() if case.operator in translators()], ids=str)
def test_a_translated_operator_computes_what_the_interpreter_does(case: OperatorCase) -> None:
    expected = interpret(case.net, case.parameters, case.inputs)
    lowest = translate(case)
    assert_same(expected, run(lowest, case))
    for opset in (13, 18, 21):
        if opset > lowest.opset_import[0].version:
            assert_same(expected, run(translate(case, opset), case))


@pytest.mark.caffe2
def test_every_operator_that_caffe2_knows_computes_what_caffe2_does(caffe2_worker: Caffe2Worker) -> None:
    for case in operator_cases():
        if case.operator not in translators():
            continue
        runner = Caffe2Runner(case.net, case.parameters, worker=caffe2_worker)
        try:
            if not case.real:
                with pytest.raises(ValidationError, match="Cannot create operator"):
                    runner.run(case.inputs)
                continue
            assert_same(runner.run(case.inputs), run(translate(case), case))
        except AssertionError as difference:
            raise AssertionError(f"{case}: {difference}") from None
        finally:
            runner.close()
