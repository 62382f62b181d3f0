"""Verification: both sides run on the same inputs, and a proof says what was found."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.progress import Recording
from tests.zoosmith.endless import endless_model
from tests.zoosmith.small_models import scaling_model
from zoosmith.validation import InputSource, Limits, OnnxRuntimeRunner, ReferenceRunner, ValidationError, verify_models
from zoosmith.validation.running.onnx_runtime import onnx_runtime

ONES = np.ones((2, 3), np.float32)


def test_the_same_values_are_equal() -> None:
    proof = verify_models(scaling_model(ONES), scaling_model(ONES))
    assert (proof.verdict, proof.passed, proof.largest_error) == ("equal", True, 0.0)
    assert str(proof) == f"verified, equal ({onnx_runtime()})"


def test_values_inside_the_limits_are_close() -> None:
    proof = verify_models(scaling_model(ONES), scaling_model(ONES * np.float32(1.00001)))
    assert (proof.verdict, proof.passed) == ("close", True)
    assert 0 < proof.largest_error < 1e-4
    assert str(proof).startswith("verified, close: largest error ")


def test_values_outside_the_limits_differ_and_the_first_node_is_named() -> None:
    proof = verify_models(scaling_model(ONES), scaling_model(2 * ONES))
    assert (proof.verdict, proof.passed) == ("differs", False)
    assert str(proof.first_difference).startswith("unnamed (Mul), output 'y': ")
    assert str(proof).startswith("differs: y: ") and "the first node that differs" in str(proof)


def test_the_limits_decide() -> None:
    pair = scaling_model(ONES), scaling_model(ONES * np.float32(1.1))
    assert not verify_models(*pair).passed
    assert verify_models(*pair, limits=Limits(rtol=0.2)).passed
    assert verify_models(*pair, limits=Limits(rtol=0, atol=1)).passed


def test_the_proof_names_the_runtimes_and_the_inputs() -> None:
    old = scaling_model(ONES, opset=6)
    del old.graph.initializer[:]
    old.graph.node[0].input[1] = "x"
    new = onnx.ModelProto()
    new.CopyFrom(old)
    new.opset_import[0].version = 13
    found = verify_models(old, new, inputs=InputSource(seed=3), cases=2).as_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["original"] == {"runtime": "onnx's reference evaluator", "version": onnx.__version__}
    assert found["converted"] == {"runtime": "ONNX Runtime", "version": onnxruntime.__version__}
    assert (found["inputs"], found["shapes"]) == ("random, seed 3", [{"x": [2, 3]}, {"x": [2, 3]}])


def test_progress_is_told_of_every_case() -> None:
    progress = Recording()
    verify_models(scaling_model(ONES), scaling_model(ONES), cases=3, progress=progress)
    assert ("begin", "verifying", 3) in progress.told
    assert progress.steps("verifying") == [1, 2, 3]


def test_cases_after_one_that_differs_are_not_run() -> None:
    assert len(verify_models(scaling_model(ONES), scaling_model(2 * ONES), cases=3).comparisons) == 1


@pytest.mark.parametrize("runner", [OnnxRuntimeRunner, ReferenceRunner])
def test_a_run_without_an_end_is_stopped(runner) -> None:
    endless = runner(endless_model())
    with pytest.raises(ValidationError, match=r"stopped: no result after 1\.5 s"):
        endless.run({"x": np.zeros(1, np.float32)}, timeout=1.5)


def test_a_time_limit_changes_no_result() -> None:
    inputs = {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}
    for runner in (OnnxRuntimeRunner, ReferenceRunner):
        outputs = runner(scaling_model(2 * ONES)).run(inputs, timeout=120)
        assert outputs["y"].tolist() == (2 * inputs["x"]).tolist()


def test_a_model_that_draws_random_numbers_is_refused() -> None:
    graph = helper.make_graph(
        [helper.make_node("RandomNormal", [], ["y"], shape=[2])],
        "random",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
        [numpy_helper.from_array(ONES, "unused")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    with pytest.raises(ValidationError, match="random numbers"):
        verify_models(model, model)


def test_a_provider_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"provider 'Nowhere': the installed ONNX Runtime .* it has .*CPU"):
        OnnxRuntimeRunner(scaling_model(ONES), providers=["Nowhere"])
    OnnxRuntimeRunner(scaling_model(ONES), providers=["CPU"])
