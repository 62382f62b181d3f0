"""Models in foreign runtimes, with this Python and its ONNX Runtime in the place of an old one."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, parser

from zoosmith.validation import ValidationError, runner_for
from zoosmith.validation.runtimes import runner
from zoosmith.validation.runtimes.runner import ForeignRunner, start
from zoosmith.validation.verification.other_runtimes import prove_in

MODEL = parser.parse_model("""
    <ir_version: 8, opset_import: ["": 17]>
    g (float[N,3] x, int64[3] i = {1, 2, 3}) => (float[N,3] y, int64[3] same, bool[N,3] positive) {
      zero = Constant <value = float {0.0}> ()
      y = Relu (x)
      same = Identity (i)
      positive = Greater (x, zero)
    }
""")
X = np.array([[1, -2, 3]], np.float32)

# computes in ONNX Runtime; refuses Tanh, dies of Sin, gives floats where booleans are meant
OTHER = """
import os, runpy
import onnx, numpy
Base = runpy.run_path({path!r})["Backend"]
class Backend(Base):
    def load(self, path, inputs, outputs):
        operators = {{node.op_type for node in onnx.load(path).graph.node}}
        if "Tanh" in operators: raise RuntimeError("there is no Tanh here")
        if "Sin" in operators: os._exit(9)
        self.wrong = "Cos" in operators
        return Base.load(self, path, inputs, outputs)
    def run(self, model, feeds):
        outputs = Base.run(self, model, feeds)["outputs"]
        return {{"outputs": {{n: v.astype(numpy.float32) + self.wrong for n, v in outputs.items()}}}}
"""


@pytest.fixture(autouse=True)
def this_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This Python stands for every environment, and OpenVINO's is one of peculiar tastes."""
    monkeypatch.setattr(runner, "installed_python", lambda pinned: Path(sys.executable))
    backend = tmp_path / "backend.py"
    backend.write_text(OTHER.format(path=str(Path(runner.__file__).parent / "backends/onnxruntime_backend.py")))
    monkeypatch.setitem(runner._BACKENDS, "openvino", backend)


def model_of(*operators: str) -> onnx.ModelProto:
    names = ["x", *(f"v{index}" for index in range(1, len(operators))), "y"]
    nodes = [helper.make_node(op, [names[i]], [names[i + 1]]) for i, op in enumerate(operators)]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in ("x", "y"))
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), ir_version=8)
    model.opset_import[0].version = 13
    return model


def test_it_gives_what_the_runner_here_gives_and_says_what_runs_it():
    with ForeignRunner("onnxruntime==1.6", MODEL) as foreign:
        for inputs in ({"x": X}, {"x": np.repeat(X, 2, 0), "i": np.array([4, 5, 6])}):
            expected = runner_for(MODEL).run(inputs)
            actual = foreign.run(inputs)
            assert list(actual) == ["y", "same", "positive"] == foreign.output_names
            for name, value in expected.items():
                np.testing.assert_array_equal(actual[name], value)
                assert actual[name].dtype == value.dtype
        assert foreign.versions["onnxruntime"] == onnxruntime.__version__
        assert foreign.versions["python"] == sys.version.split()[0]


def test_a_file_with_external_data_is_read_where_it_lies(tmp_path: Path):
    weight = onnx.numpy_helper.from_array(np.arange(900, dtype=np.float32), "w")
    model = model_of("Relu")
    model.graph.initializer.append(weight)
    model.graph.node[0].op_type = "Add"
    model.graph.node[0].input.append("w")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[1].dim_value = 900
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    with ForeignRunner("onnxruntime==1.6", path) as foreign:
        result = foreign.run({"x": np.zeros((1, 900), np.float32)})["y"]
    np.testing.assert_array_equal(result, [np.arange(900)])


def test_inputs_that_do_not_fit_are_refused_before_they_are_sent():
    with ForeignRunner("onnxruntime==1.6", MODEL) as foreign:
        for inputs, words in (
            ({}, "no value given for input 'x'"),
            ({"x": X, "z": X}, "has no input 'z'"),
            ({"x": X.astype(np.float64)}, "takes float32"),
            ({"x": X[0]}, "takes shape"),
        ):
            with pytest.raises(ValidationError, match=words):
                foreign.run(inputs)


def test_a_model_that_the_runtime_does_not_load_is_one_line_with_its_name():
    model = model_of("Relu")
    model.graph.node[0].op_type = "Nonsense"
    with pytest.raises(ValidationError, match=r"^model 'g': onnxruntime==1\.6\.0: .*Nonsense") as caught:
        ForeignRunner("onnxruntime==1.6", model)
    assert "\n" not in str(caught.value)


def test_models_share_a_process_and_leave_it_running():
    with start(runner.runtime_for("onnxruntime==1.6")) as process:
        for _ in range(2):
            with ForeignRunner("onnxruntime==1.6", MODEL, process=process) as foreign:
                foreign.run({"x": X})
            assert not process.ended


def test_a_runtime_that_runs_no_onnx_models_is_named():
    with pytest.raises(ValidationError, match=r"caffe2==1\.10\.2: runs no ONNX models here"):
        ForeignRunner("caffe2", MODEL)


def proved(runtime: str, original: onnx.ModelProto, converted: onnx.ModelProto, **options):
    return prove_in(runtime, original, converted, {"x": X}, **options)


def test_a_model_that_runs_there_and_agrees_is_verified():
    result = proved("onnxruntime==1.6", model_of("Relu"), model_of("Relu", "Identity"))
    assert result.passed and result.outcome == "verified"
    assert str(result) == "verified in onnxruntime==1.6.0, equal"
    assert result.as_dict()["versions"]["onnxruntime"] == onnxruntime.__version__


def test_a_model_that_computes_something_else_differs():
    result = proved("onnxruntime==1.6", model_of("Relu"), model_of("Neg"))
    assert result.outcome == "differs" and not result.passed
    assert "elements over the limit" in str(result)


def test_an_onnx_runtime_that_does_not_load_it_refuses_it():
    broken = model_of("Relu")
    broken.ir_version = 7
    broken.graph.node[0].op_type = "Nonsense"
    result = proved("onnxruntime==1.6", model_of("Relu"), broken)
    assert result.outcome == "refused" and result.as_dict()["comparison"] is None
    # neither its number of the error nor the file that it was raised in
    assert "refused in onnxruntime==1.6.0: " in str(result) and "Nonsense" in str(result)
    assert "ONNXRuntimeError" not in str(result) and ".cc:" not in str(result)


def test_a_file_of_too_new_an_ir_version_is_called_that():
    broken = model_of("Relu")
    broken.ir_version = 99
    result = proved("onnxruntime==1.6", model_of("Relu"), broken)
    assert result.reason == "the file has IR version 99, this runtime loads up to 7"


def test_what_another_runtime_cannot_do_with_the_original_is_not_blamed_on_the_conversion():
    result = proved("openvino", model_of("Tanh"), model_of("Identity", "Tanh"))
    assert result.outcome == "unjudged" and not result.passed
    assert "cannot do the original either: there is no Tanh here" in str(result)
    result = proved("openvino", model_of("Cos"), model_of("Identity", "Cos"))
    assert result.outcome == "unjudged" and "over the limit" in str(result)


def test_what_another_runtime_can_do_with_the_original_alone_is():
    result = proved("openvino", model_of("Relu"), model_of("Relu", "Tanh"))
    assert result.outcome == "refused" and result.reason == "there is no Tanh here"


def test_a_converted_model_that_kills_a_shared_process_is_still_blamed():
    with start(runner.runtime_for("openvino")) as process:
        result = proved("openvino", model_of("Relu"), model_of("Relu", "Sin"), process=process)
    assert result.outcome == "refused" and "ended unexpectedly: exit code 9" in str(result)


def test_types_that_another_runtime_computes_in_are_not_a_difference():
    result = prove_in("openvino", MODEL, MODEL, {"x": X})
    assert result.outcome == "verified"
    broken = onnx.ModelProto()
    broken.CopyFrom(MODEL)
    broken.graph.node[3].op_type = "Less"
    assert prove_in("openvino", MODEL, broken, {"x": X}).outcome == "differs"


def test_known_outputs_of_the_original_are_taken_as_they_are():
    result = proved("onnxruntime", model_of("Relu"), model_of("Relu"), expected={"y": X})
    assert result.outcome == "differs"
