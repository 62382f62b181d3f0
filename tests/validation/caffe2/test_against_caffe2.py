"""With the real Caffe2: its nets, its ONNX backend, its exporter; and our legacy operators against it."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.shared_data import SHARED, needs_shared
from zoosmith.convert import caffe2_to_onnx, read_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import (
    Caffe2Onnx,
    Caffe2Runner,
    Caffe2Worker,
    ReferenceRunner,
    ValidationError,
    compare,
    random_inputs,
)

pytestmark = pytest.mark.caffe2


def net(name: str, *operators: tuple[str, list[str], list[str]], inputs: list[str], outputs: list[str]) -> NetDef:
    result = NetDef(name=name, external_input=inputs, external_output=outputs)
    for kind, read, written in operators:
        result.op.add(type=kind, input=read, output=written)
    return result


def fill(name: str, values: list[float]) -> NetDef:
    result = NetDef(name="init")
    operator = result.op.add(type="GivenTensorFill", output=[name])
    operator.arg.add(name="shape", ints=[len(values)])
    operator.arg.add(name="values", floats=values)
    return result


X = np.float32([1, -2, 3])


def test_a_net_runs_on_several_inputs_and_gives_any_blob(caffe2_worker: Caffe2Worker):
    predict = net("n", ("Add", ["x", "b"], ["s"]), ("Relu", ["s"], ["y"]), inputs=["x", "b"], outputs=["y"])
    runner = Caffe2Runner(predict, fill("b", [10, 1, -9]), worker=caffe2_worker)
    assert runner.run({"x": X})["y"].tolist() == [11, 0, 0]
    assert runner.run({"x": -X})["y"].tolist() == [9, 3, 0]
    assert runner.run({"x": X}, outputs=["s", "b"])["s"].tolist() == [11, -1, -6]
    runner.close()


def test_a_net_that_writes_its_parameters_starts_from_them_each_time(caffe2_worker: Caffe2Worker):
    predict = net("n", ("Add", ["b", "x"], ["b"]), inputs=["x", "b"], outputs=["b"])
    runner = Caffe2Runner(predict, fill("b", [1, 1, 1]), worker=caffe2_worker)
    assert [runner.run({"x": X})["b"].tolist() for _ in range(3)] == [[2, -1, 4]] * 3
    runner.close()


def test_two_nets_of_one_name_share_a_process_but_no_blobs(caffe2_worker: Caffe2Worker):
    predict = net("", ("Add", ["x", "b"], ["y"]), inputs=["x", "b"], outputs=["y"])
    one, two = (Caffe2Runner(predict, fill("b", [value] * 3), worker=caffe2_worker) for value in (1, 2))
    assert one.run({"x": X})["y"].tolist() == [2, -1, 4]
    assert two.run({"x": X})["y"].tolist() == [3, 0, 5]
    assert one.run({"x": X})["y"].tolist() == [2, -1, 4]
    one.close()
    assert two.run({"x": X})["y"].tolist() == [3, 0, 5]
    two.close()


def test_inputs_that_caffe2_would_ignore_or_miss_are_refused(caffe2_worker: Caffe2Worker):
    runner = Caffe2Runner(net("n", ("Relu", ["x"], ["y"]), inputs=["x"], outputs=["y"]), worker=caffe2_worker)
    with pytest.raises(ValidationError, match="has no input 'data'"):
        runner.run({"x": X, "data": X})
    with pytest.raises(ValidationError, match="no value given for input 'x'"):
        runner.run({})
    assert runner.run({"x": X})["y"].tolist() == [1, 0, 3]
    runner.close()


def test_what_caffe2_refuses_is_told_in_one_line_and_the_process_goes_on(caffe2_worker: Caffe2Worker):
    with pytest.raises(ValidationError, match=r"Caffe2: .*NoSuchOperator") as caught:
        unknown = Caffe2Runner(
            net("n", ("NoSuchOperator", ["x"], ["y"]), inputs=["x"], outputs=["y"]), worker=caffe2_worker
        )
        unknown.run({"x": X})
    assert "\n" not in str(caught.value)
    runner = Caffe2Runner(net("n", ("Add", ["x", "z"], ["y"]), inputs=["x", "z"], outputs=["y"]), worker=caffe2_worker)
    with pytest.raises(ValidationError, match="Caffe2: "):
        runner.run({"x": X, "z": X[:2]})
    assert runner.run({"x": X, "z": X})["y"].tolist() == [2, -4, 6]


def onnx_model(op: str, inputs: list[np.ndarray], opset: int, outputs: int = 1, **attributes) -> onnx.ModelProto:
    names = [f"i{index}" for index in range(len(inputs))]
    described = [helper.make_tensor_value_info(name, 1, value.shape) for name, value in zip(names, inputs, strict=True)]
    results = [helper.make_tensor_value_info(f"o{index}", 1, None) for index in range(outputs)]
    node = helper.make_node(op, names, [value.name for value in results], **attributes)
    model = helper.make_model(
        helper.make_graph([node], "g", described, results), opset_imports=[helper.make_opsetid("", opset)], ir_version=3
    )
    # Caffe2's checker wants the shapes of outputs
    return onnx.shape_inference.infer_shapes(model)


def _f(*shape: int) -> np.ndarray:
    return np.random.RandomState(sum(shape)).standard_normal(shape).astype(np.float32)


NODES = [
    ("Add", [_f(2, 3, 4), _f(3)], {"axis": 1, "broadcast": 1}),
    ("Mul", [_f(2, 3, 4), _f(3, 4)], {"broadcast": 1}),
    ("Sub", [_f(2, 3, 4), _f(2, 3)], {"axis": 0, "broadcast": 1}),
    ("Div", [_f(2, 3, 4), np.abs(_f(2, 3, 4)) + 1], {}),
    ("BatchNormalization", [_f(2, 3, 4, 4), _f(3), _f(3), _f(3), np.abs(_f(3)) + 0.1], {"is_test": 1, "epsilon": 1e-3}),
    ("Conv", [_f(1, 4, 7, 8), _f(6, 2, 3, 3), _f(6)], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "group": 2}),
    ("AveragePool", [_f(1, 3, 7, 8)], {"kernel_shape": [3, 2], "strides": [2, 2]}),
    ("MaxPool", [_f(1, 3, 7, 8)], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("Gemm", [_f(3, 4), _f(5, 4), _f(5)], {"transB": 1, "broadcast": 1}),
    ("Softmax", [_f(2, 3, 4)], {"axis": 1}),
    ("LRN", [_f(1, 6, 4, 3)], {"size": 3, "alpha": 0.3, "beta": 0.6, "bias": 1.5}),
    ("PRelu", [_f(2, 3, 4, 4), _f(3)], {}),
    ("Clip", [_f(3, 4)], {"min": -0.5, "max": 0.5}),
    ("Dropout", [_f(3, 4)], {"is_test": 1, "ratio": 0.3}),
    ("Pad", [_f(1, 2, 4, 5)], {"mode": "reflect", "pads": [0, 0, 1, 2, 0, 0, 2, 1]}),
    ("Elu", [_f(3, 4)], {"alpha": 0.7}),
    ("LeakyRelu", [_f(3, 4)], {"alpha": 0.1}),
    ("Sum", [_f(3, 4), _f(3, 4)], {}),
    ("Max", [_f(3, 4), _f(3, 4)], {}),
    ("Flatten", [_f(2, 3, 4)], {"axis": 2}),
    ("Transpose", [_f(2, 3, 4)], {"perm": [2, 0, 1]}),
    ("Concat", [_f(2, 3), _f(2, 4)], {"axis": 1}),
    ("ReduceMean", [_f(2, 3, 4)], {"axes": [1], "keepdims": 1}),
    ("Slice", [_f(4, 5)], {"axes": [1], "starts": [1], "ends": [-1]}),
    ("InstanceNormalization", [_f(2, 3, 4, 5), _f(3), _f(3)], {"epsilon": 1e-3}),
    ("ConvTranspose", [_f(1, 4, 5, 5), _f(4, 3, 3, 3)], {"kernel_shape": [3, 3], "strides": [2, 2]}),
]


@pytest.mark.parametrize(("op", "inputs", "attributes"), NODES, ids=[node[0] for node in NODES])
def test_opset_6_nodes_give_what_caffe2_gives(op, inputs, attributes, caffe2_worker: Caffe2Worker):
    model = onnx_model(op, inputs, 6, **attributes)
    values = {f"i{index}": value for index, value in enumerate(inputs)}
    real = Caffe2Onnx(model, worker=caffe2_worker)
    result = compare(real.run(values), ReferenceRunner(model).run(values))
    real.close()
    assert result.passed, str(result)


def test_the_backend_refuses_inputs_that_do_not_fit(caffe2_worker: Caffe2Worker):
    real = Caffe2Onnx(onnx_model("Relu", [X], 6), worker=caffe2_worker)
    with pytest.raises(ValidationError, match="has no input 'x'"):
        real.run({"x": X})
    with pytest.raises(ValidationError, match="takes shape"):
        real.run({"i0": X[:2]})
    assert real.run({"i0": X})["o0"].tolist() == [1, 0, 3]


@needs_shared
def test_densenet121_at_opset_3_and_6_gives_what_caffe2_gives(caffe2_worker: Caffe2Worker):
    nets = SHARED / "caffe2_zoo/densenet121/predict_net.pbtxt", SHARED / "densenet121/init_net.pb"
    source = Caffe2Runner(*nets, worker=caffe2_worker)
    for opset in (3, 6):
        model = caffe2_to_onnx(*nets, inputs={"data": (TensorProto.FLOAT, (1, 3, 224, 224))}, opset=opset)
        values = random_inputs(model, seed=opset)
        (data,) = values.values()
        ours = ReferenceRunner(model).run(values)
        real = Caffe2Onnx(model, worker=caffe2_worker)
        for expected in (real.run(values), {"fc6_1": source.run({"data": data})["fc6"]}):
            result = compare(expected, ours)
            assert result.passed and result.same_top1, str(result)
        real.close()
    source.close()


@needs_shared
def test_the_exporter_writes_a_model_and_its_timings(caffe2_worker: Caffe2Worker, tmp_path: Path):
    case = SHARED / "caffe2_corpus/cases/Add_bc_axis1"
    value_info = {blob: (int(kind), tuple(shape)) for blob, (kind, shape) in _value_info(case).items()}
    output = tmp_path / "exported.onnx"
    timings = caffe2_worker.export(case / "predict_net.pb", case / "init_net.pb", value_info, output, repeats=2)
    assert len(timings) == 2 and all(set(timing) == {"parse", "convert", "write"} for timing in timings)
    assert onnx.load(output).opset_import[0].version == 9
    with pytest.raises(ValidationError, match="Caffe2: "):
        caffe2_worker.export(case / "absent.pb", case / "init_net.pb", value_info, output)


def _value_info(case: Path) -> dict:
    return json.loads((case / "case.json").read_text())["value_info"]


@needs_shared
def test_corpus_nets_give_what_was_recorded(caffe2_worker: Caffe2Worker):
    checked = 0
    for case in sorted((SHARED / "caffe2_corpus/cases").iterdir())[::10]:
        described = json.loads((case / "case.json").read_text())
        with np.load(case / "inputs.npz") as file:
            inputs = {blob: file[f"arr_{index}"] for index, blob in enumerate(described["inputs"])}
        with np.load(case / "outputs.npz") as file:
            expected = {blob: file[f"arr_{index}"] for index, blob in enumerate(described["outputs"])}
        runner = Caffe2Runner(case / "predict_net.pb", read_net(case / "init_net.pb"), worker=caffe2_worker)
        result = compare(expected, runner.run(inputs, outputs=list(expected)))
        runner.close()
        assert result.passed, f"{case.name}: {result}"
        checked += 1
    assert checked >= 30
