"""What a file may hold follows from the runtime that it is for, and real runtimes load it from there on."""

import onnx
import pytest

from tests.quantize.writing.test_thresholds import POSITIVE, rectified
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.opset_upgrade import convert_version
from zoosmith.quantize import QuantizeError, quantize, quantize_within
from zoosmith.quantize.runtime_kernels import FIRST_RELEASES
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import CONTRIB_OPERATORS, Target
from zoosmith.validation import ValidationError
from zoosmith.validation.runtimes import base_python, find_environment, install, runtime_for, target_for
from zoosmith.validation.runtimes.runner import ForeignRunner


def written(runtime: str, model: onnx.ModelProto | None = None) -> onnx.ModelProto:
    model = model or rectified(slopes=POSITIVE)
    target = Target(every_layer=True, runtime=target_for(runtime))
    return quantize(model, random_samples(model, 4), target=target)


def test_every_operator_that_is_measured_is_in_the_table() -> None:
    assert set(CONTRIB_OPERATORS) < FIRST_RELEASES.keys()


@pytest.mark.parametrize(
    ("form", "runtime", "reason"),
    [
        (
            "integer",
            "onnxruntime==1.5",
            "onnxruntime==1.5.2 does not run operators of integers; expected onnxruntime 1.6",
        ),
        ("qdq", "onnxruntime==1.6", "onnxruntime==1.6.0 does not run the QDQ form; expected onnxruntime 1.7 or later"),
        ("integer", "tensorrt==8.5", "operators of integers are for onnxruntime; expected the format qdq for others"),
        ("qdq", "caffe2", "caffe2==1.10.2 takes opsets up to 9; integer operators begin with 10"),
    ],
)
def test_a_runtime_that_loads_no_such_file_is_refused(form: str, runtime: str, reason: str) -> None:
    with pytest.raises(QuantizeError, match=reason):
        Target(form, runtime=target_for(runtime))


def test_operators_of_com_microsoft_are_those_that_the_runtime_computes_rightly() -> None:
    found = {
        version: Target(contrib=True, runtime=target_for(f"onnxruntime=={version}")).contrib_operators
        for version in ("1.7", "1.10", "1.16")
    }
    assert found == {
        "1.7": (),
        "1.10": ("MatMulIntegerToFloat", "Gelu"),
        "1.16": ("MatMulIntegerToFloat", "Gelu", "DynamicQuantizeLSTM"),
    }
    assert Target(contrib=True).contrib_operators == CONTRIB_OPERATORS
    assert Target(runtime=target_for("onnxruntime")).contrib_operators == ()


def test_an_opset_beyond_the_runtime_is_refused() -> None:
    model = convert_version(rectified(), 17)
    assert default_opset(model) == 17
    target = Target(runtime=target_for("onnxruntime==1.10"))
    for function in (quantize, quantize_within):
        with pytest.raises(QuantizeError, match=r"opset 17; onnxruntime==1\.10\.0 takes opsets up to 15: convert"):
            function(model, random_samples(model, 2), target=target)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made_for", "run_in", "loads"),
    [
        ("onnxruntime==1.6", "onnxruntime==1.6.0", True),
        ("onnxruntime==1.24", "onnxruntime==1.23.2", False),
        ("onnxruntime==1.24", "onnxruntime==1.24.4", True),
    ],
)
def test_a_real_runtime_loads_it_from_that_release_on(made_for: str, run_in: str, loads: bool) -> None:
    runtime = runtime_for(run_in)
    if find_environment(runtime) is None and base_python(runtime) is None:
        pytest.skip(f"NOT RUN IN {runtime}: not installed, and no Python {' or '.join(runtime.pythons)} to install it")
    install(runtime)
    model = written(made_for)
    if not loads:
        with pytest.raises(ValidationError):
            ForeignRunner(runtime, model)
        return
    [sample] = random_samples(model, 1)
    with ForeignRunner(runtime, model) as runner:
        assert all(value.any() for value in runner.run(sample).values())
