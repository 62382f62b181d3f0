from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.validation.single_node import single_node
from zoosmith.onnx_model import ZoosmithError
from zoosmith.onnx_model.in_place import point_to, span_at
from zoosmith.validation import OnnxRuntimeRunner, ReferenceRunner, ValidationError, random_inputs, runner_for
from zoosmith.validation.errors import StoppedError

X = np.array([[-1.0, 2.0], [3.0, -4.0]], np.float32)
RUNNERS = [OnnxRuntimeRunner, ReferenceRunner]


def identity(kind: int, opset: int = 21) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "same",
        [helper.make_tensor_value_info("x", kind, ["n", 3])],
        [helper.make_tensor_value_info("y", kind, ["n", 3])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def scaled(opset: int = 9) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "scaled",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 2]) for name in ("w", "x")],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])],
        [numpy_helper.from_array(np.full((2, 2), 10, np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_model_is_a_path_bytes_or_a_message(runner, tmp_path: Path):
    model = scaled()
    path = tmp_path / "scaled.onnx"
    onnx.save(model, path)
    for source in (model, model.SerializeToString(), path, str(path)):
        assert np.array_equal(runner(source).run({"x": X})["y"], X * 10)


@pytest.mark.parametrize("runner", RUNNERS)
def test_data_in_a_file_beside_the_model_is_found(runner, tmp_path: Path):
    path = tmp_path / "large.onnx"
    onnx.save(scaled(), path, save_as_external_data=True, location="large.bin", size_threshold=0)
    assert (tmp_path / "large.bin").exists()
    assert np.array_equal(runner(path).run({"x": X})["y"], X * 10)


@pytest.mark.parametrize("runner", RUNNERS)
def test_an_initializer_that_is_an_input_may_be_given_another_value(runner):
    assert np.array_equal(runner(scaled()).run({"x": X, "w": X})["y"], X * X)


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "no value given for input 'x'"),
        ({"x": X, "z": X}, "has no input 'z'; its inputs are 'x', 'w'"),
        ({"x": X.astype(np.float64)}, "takes float32, not float64"),
        ({"x": X[:1]}, r"takes shape \[2, 2\], not \[1, 2\]"),
        ({"x": X[0]}, r"takes shape \[2, 2\], not \[2\]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_by_name(runner, inputs, words):
    with pytest.raises(ValidationError, match=words) as caught:
        runner(scaled()).run(inputs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runner", RUNNERS)
def test_files_that_are_no_models_are_refused_by_name(runner, tmp_path: Path):
    for content in (b"", b"\x08\x07", b"no model at all", scaled().SerializeToString()[:-20]):
        (tmp_path / "broken.onnx").write_bytes(content)
        with pytest.raises(ZoosmithError, match=r"broken\.onnx"):
            runner(tmp_path / "broken.onnx").run({"x": X})
    with pytest.raises(ZoosmithError, match=r"absent\.onnx: .*o such file"):
        runner(tmp_path / "absent.onnx")


@pytest.mark.parametrize("runner", RUNNERS)
def test_an_operator_that_fails_gives_one_line(runner):
    model, _ = single_node("Reshape", [X, np.array([3], np.int64)], 13)
    with pytest.raises(ValidationError) as caught:
        runner(model).run({"i0": X, "i1": np.array([3], np.int64)})
    assert "\n" not in str(caught.value)


def test_onnx_runtime_prints_nothing_when_it_fails(capfd: pytest.CaptureFixture[str]):
    model, values = single_node("Reshape", [X, np.array([3], np.int64)], 13)
    with pytest.raises(ValidationError):
        OnnxRuntimeRunner(model, threads=1).run(values)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "kind",
    [kind for _, kind in TensorProto.DataType.items() if kind not in (TensorProto.UNDEFINED,)],
    ids=TensorProto.DataType.Name,
)
def test_every_tensor_type_goes_through_some_runner_unchanged(kind):
    newest = 21 if kind <= TensorProto.INT4 else onnx.defs.onnx_opset_version()
    model = identity(kind, newest)
    if newest > 21:
        model.ir_version = onnx.IR_VERSION
    inputs = random_inputs(model, seed=2, dims={"n": 2})
    (result,) = runner_for(model).run(inputs).values()
    assert result.dtype == inputs["x"].dtype
    assert np.array_equal(result, inputs["x"])


@pytest.mark.parametrize(
    "kind", [TensorProto.BFLOAT16, TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E5M2, TensorProto.FLOAT16]
)
def test_onnx_runtime_itself_takes_the_float_types_that_numpy_lacks(kind):
    inputs = random_inputs(identity(kind), seed=2, dims={"n": 0})
    for given in (inputs, random_inputs(identity(kind), seed=2, dims={"n": 3})):
        result = OnnxRuntimeRunner(identity(kind)).run(given)["y"]
        assert result.dtype == given["x"].dtype and np.array_equal(result, given["x"])


def test_the_opset_chooses_the_runner():
    assert isinstance(runner_for(scaled(9)), OnnxRuntimeRunner)
    assert isinstance(runner_for(scaled(7)), OnnxRuntimeRunner)
    assert isinstance(runner_for(scaled(6)), ReferenceRunner)
    # ONNX Runtime has no kernel of this type
    assert isinstance(runner_for(identity(TensorProto.COMPLEX64)), ReferenceRunner)


def test_what_neither_can_run_is_told_in_the_words_of_onnx_runtime():
    graph = helper.make_graph(
        [helper.make_node("NoSuchOperator", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    with pytest.raises(ValidationError, match=r"ONNX Runtime cannot load it.*NoSuchOperator"):
        runner_for(model)


def test_sequences_come_back_as_lists():
    graph = helper.make_graph(
        [helper.make_node("SequenceConstruct", ["x", "x"], ["s"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])],
        [helper.make_value_info("s", helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, [2, 2])))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for runner in RUNNERS:
        (result,) = runner(model).run({"x": X}).values()
        assert isinstance(result, list) and np.array_equal(result, [X, X])


def test_subgraphs_and_functions_get_the_legacy_operators_too():
    bias = np.array([10.0, 20.0], np.float32)
    add = helper.make_node("Add", ["x", "b"], ["y"], axis=0, broadcast=1)
    expected = X + bias[:, None]
    described = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2]),
        helper.make_tensor_value_info("b", TensorProto.FLOAT, [2]),
    ]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])
    branch = helper.make_graph([add], "branch", [], [result])
    conditional = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)],
        "g",
        [*described, helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
        [result],
    )
    opset = [helper.make_opsetid("", 6)]
    model = helper.make_model(conditional, opset_imports=opset, ir_version=3)
    assert np.array_equal(ReferenceRunner(model).run({"x": X, "b": bias, "c": np.array(True)})["y"], expected)

    function = helper.make_function("own", "AddRows", ["x", "b"], ["y"], [add], opset)
    graph = helper.make_graph([helper.make_node("AddRows", ["x", "b"], ["y"], domain="own")], "g", described, [result])
    imports = [*opset, helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=imports, functions=[function], ir_version=8)
    assert np.array_equal(ReferenceRunner(model).run({"x": X, "b": bias})["y"], expected)


def test_types_that_onnx_runtime_cannot_move_are_refused_when_loading():
    model, _ = single_node("Cast", [X], 21, to=TensorProto.INT4)
    with pytest.raises(ValidationError, match="moves no tensors of type INT4"):
        OnnxRuntimeRunner(model)
    assert runner_for(model).run({"i0": X})["o0"].tolist() == [[-1, 2], [3, -4]]


@pytest.mark.parametrize("runner", RUNNERS)
def test_an_optional_input_may_be_left_out(runner):
    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [2, 2]))
    graph = helper.make_graph(
        [helper.make_node("OptionalHasElement", ["x"], ["y"])],
        "empty_optional",
        [helper.make_value_info("x", kind)],
        [helper.make_tensor_value_info("y", TensorProto.BOOL, [])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    assert not runner(model).run({})["y"]
    assert runner(model).run({"x": X})["y"]


def test_scalars_of_types_that_numpy_lacks_stay_scalars():
    model, _ = single_node("Identity", [X.astype(ml_dtypes.bfloat16)[0, 0]], 21)
    result = OnnxRuntimeRunner(model).run({"i0": np.asarray(X.astype(ml_dtypes.bfloat16)[0, 0])})["o0"]
    assert result.shape == () and result == -1


@pytest.mark.skipif(
    tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 31),
    reason="ONNX Runtime below 1.31 holds Python's lock while it loads: whether it is stopped is chance",
)
def test_loading_is_stopped_when_the_time_is_up() -> None:
    count = 30_000  # nodes, on which ONNX Runtime's passes take seconds
    names = ["x", *(f"v{index}" for index in range(count - 1)), "y"]
    nodes = [helper.make_node("Relu", [names[index]], [names[index + 1]]) for index in range(count)]
    ports = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N"]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "chain", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(StoppedError, match=r"stopped: no result after 0\.01 s"):
        runner_for(model, timeout=0.01)


def test_weights_may_stay_in_files_of_several_folders_and_at_any_byte(tmp_path: Path) -> None:
    weights = np.arange(65_536, dtype=np.float32).reshape(2, 128, 256)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "a"], ["y"]), helper.make_node("MatMul", ["y", "b"], ["z"])],
        "products",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 128])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 128])],
        [numpy_helper.from_array(weights[0], "a"), numpy_helper.from_array(weights[1].reshape(256, 128), "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = {"x": np.linspace(-1, 1, 128, dtype=np.float32)[None]}
    wanted = OnnxRuntimeRunner(model).run(x)["z"]
    for place, tensor in enumerate(model.graph.initializer):
        path = tmp_path / f"folder {place}" / "weights"
        path.parent.mkdir()
        path.write_bytes(b"odd"[: 2 * place + 1] + tensor.raw_data)
        point_to(tensor, span_at(path, 2 * place + 1, len(tensor.raw_data)))
        tensor.ClearField("raw_data")
    np.testing.assert_array_equal(OnnxRuntimeRunner(model).run(x)["z"], wanted)
