"""Inputs and outputs of nets that do not name them, and what only stands in for data."""

import numpy as np
import onnx
import pytest

from tests.convert.test_translation import VECTOR, X, filled, net_of, outputs_of, relu, run, sigmoid
from zoosmith.convert import ConvertError, caffe2_to_onnx
from zoosmith.convert.net_ports import with_outputs
from zoosmith.convert.proto.caffe2_pb2 import NetDef


def nameless(*ops: tuple[str, str, str], inputs: str = "X") -> NetDef:
    return net_of(*ops, outputs="", inputs=inputs)


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ([("Relu", "X", "Y")], ["Y"]),
        ([("Relu", "X", "Y"), ("Sigmoid", "Y", "Y")], ["Y"]),
        ([("Relu", "X", "A"), ("Sigmoid", "X", "B"), ("Tanh", "A", "C")], ["B", "C"]),
        ([("Relu", "X", "Y"), ("Dropout", "Y", "Z _Z_mask")], ["Z"]),
        ([("Concat", "X X", "Y _Y_dims"), ("LRN", "Y", "Z _Z_scale")], ["Z"]),
        ([("Split", "X", "A B")], ["A", "B"]),
        ([("Relu", "X", "Y"), ("Abs", "Y", "Z"), ("Tanh", "X", "Y")], ["Z", "Y"]),
    ],
    ids=["one", "in place", "two", "a mask", "sizes and scales", "parts", "written again"],
)
def test_the_outputs_of_a_net_that_names_none_are_the_results_that_nothing_reads(
    ops: list[tuple[str, str, str]], expected: list[str]
) -> None:
    net = nameless(*ops)
    assert list(with_outputs(net).external_output) == expected
    assert not net.external_output


def test_a_net_that_names_no_output_computes_its_unread_results() -> None:
    model = caffe2_to_onnx(nameless(("Relu", "X", "A"), ("Sigmoid", "X", "B")), inputs={"X": VECTOR})
    assert outputs_of(model) == ["A_1", "B_1"]
    for found, expected in zip(run(model, X), [relu(X), sigmoid(X)], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_net_whose_every_result_is_read_again_asks_for_the_outputs() -> None:
    net = nameless(("Relu", "X", "A"), ("Print", "A", ""))
    with pytest.raises(ConvertError, match=r"every blob that it writes is read again; name the outputs"):
        caffe2_to_onnx(net, inputs={"X": VECTOR})


def test_wanted_outputs_replace_those_of_the_net_and_leave_out_what_they_do_not_need() -> None:
    net = net_of(("Relu", "X", "A"), ("NoSuchOperator", "A W", "B"), ("Abs", "B", "C"), outputs="C", inputs="X W")
    model = caffe2_to_onnx(net, inputs={"X": VECTOR}, outputs=["A"])
    assert [node.op_type for node in model.graph.node] == ["Relu"]
    assert [value.name for value in model.graph.input] == ["X_0"]
    np.testing.assert_array_equal(run(model, X)[0], relu(X))


def test_a_wanted_output_that_the_net_does_not_have_is_refused() -> None:
    net = net_of(("Relu", "X", "A"), outputs="A")
    with pytest.raises(ConvertError, match=r"has no blob 'B'; its results are \['A'\]"):
        caffe2_to_onnx(net, inputs={"X": VECTOR}, outputs=["B"])


@pytest.mark.parametrize("opset", [6, 9, 13])
def test_the_graph_of_a_net_without_a_name_has_one(opset: int) -> None:
    net = net_of(("Relu", "X", "Y"), outputs="Y")
    net.ClearField("name")
    model = caffe2_to_onnx(net, inputs={"X": VECTOR}, opset=opset)
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.name


def test_an_input_that_nothing_reads_and_nothing_fills_is_dropped() -> None:
    net = net_of(("Relu", "X", "Y"), inputs="X gpu_0/queue", outputs="Y")
    assert [value.name for value in caffe2_to_onnx(net, inputs={"X": VECTOR}).graph.input] == ["X_0"]


def test_an_input_that_only_the_outputs_need_has_to_be_given() -> None:
    net = net_of(("Relu", "X", "Y"), inputs="X Z", outputs="Y Z")
    with pytest.raises(ConvertError, match="nothing gives 'Z'"):
        caffe2_to_onnx(net, inputs={"X": VECTOR})


def zero(blob: str, *shape: int, kind: str = "ConstantFill") -> NetDef:
    init = NetDef(name="i")
    op = init.op.add(type=kind, output=[blob])
    op.arg.add(name="shape", ints=shape)
    if kind != "ConstantFill":
        op.arg.add(name="values", floats=[0.0])
    return init


@pytest.mark.parametrize(
    "init",
    [zero("X", 1), zero("X", 1, 1), zero("X", 1, 1, kind="GivenTensorFill"), zero("X", 1, 1, 1, 1)],
)
def test_a_stand_in_for_data_is_asked_for_by_name(init: NetDef) -> None:
    net = net_of(("Relu", "X", "Y"), outputs="Y")
    with pytest.raises(ConvertError, match=r"fills 'X' with one zero .* declare its shape \(`inputs` X="):
        caffe2_to_onnx(net, init, inputs={})
    with pytest.raises(ConvertError, match=r"no input 'x'; the init net fills 'X' with one zero"):
        caffe2_to_onnx(net, init, inputs={"x": VECTOR})
    assert [value.name for value in caffe2_to_onnx(net, init, inputs={"X": VECTOR}).graph.input] == ["X_0"]


def test_a_second_stand_in_is_asked_for_beside_a_declared_input() -> None:
    net = net_of(("Sum", "X Z", "Y"), inputs="X Z", outputs="Y")
    with pytest.raises(ConvertError, match="fills 'Z' with one zero"):
        caffe2_to_onnx(net, zero("Z", 1), inputs={"X": VECTOR})


def test_a_parameter_of_one_zero_stays_one() -> None:
    net = net_of(("Conv", "X w b", "Y"), inputs="X w b", outputs="Y", kernel=1)
    init = filled(w=np.ones((1, 1, 1, 1), np.float32), b=np.zeros(1, np.float32))
    assert len(caffe2_to_onnx(net, init, inputs={"X": (1, [1, 1, 2, 2])}).graph.initializer) == 2


@pytest.mark.parametrize("kind", ["XavierFill", "MSRAFill", "GaussianFill", "UniformFill"])
def test_parameters_drawn_at_random_are_refused_as_not_trained(kind: str) -> None:
    net = net_of(("FC", "X w b", "Y"), inputs="X w b", outputs="Y")
    init = zero("b", 2)
    init.op.add(type=kind, output=["w"]).arg.add(name="shape", ints=[2, 4])
    with pytest.raises(ConvertError, match=rf"draws 'w' at random \({kind}\).*not trained weights; give the file"):
        caffe2_to_onnx(net, init, inputs={"X": VECTOR})


def test_parameters_that_are_loaded_from_a_database_are_asked_for() -> None:
    net = net_of(("FC", "X w b", "Y"), inputs="X w b", outputs="Y")
    init = NetDef(name="i")
    init.op.add(type="Load", output=["w", "b"]).arg.add(name="db", s=b"model.minidb")
    with pytest.raises(ConvertError, match=r"it loads 'w', 'b' from 'model\.minidb'; give that database"):
        caffe2_to_onnx(net, init, inputs={"X": VECTOR})


def test_a_random_stand_in_for_declared_data_is_left_out() -> None:
    net = net_of(("Relu", "X", "Y"), outputs="Y")
    init = NetDef(name="i")
    init.op.add(type="GaussianFill", output=["X"]).arg.add(name="shape", ints=[2, 4])
    np.testing.assert_array_equal(run(caffe2_to_onnx(net, init, inputs={"X": VECTOR}), X)[0], relu(X))


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [("X X", "Y"), ("X", "Y Y"), ("X", "Y X"), ("X", "X Y"), ("X w", "Y w")],
    ids=[
        "an input twice",
        "an output twice",
        "an input as output",
        "an input as first output",
        "a parameter as output",
    ],
)
def test_ports_that_stand_for_one_blob_are_valid_and_have_its_value(inputs: str, outputs: str) -> None:
    net = net_of(("Add", "X w", "Y"), inputs=inputs if "w" in inputs else f"{inputs} w", outputs=outputs)
    parameter = np.full((2, 4), 3, np.float32)
    model = caffe2_to_onnx(net, filled(w=parameter), inputs={"X": VECTOR})
    onnx.checker.check_model(model, full_check=True)
    values = {"X": X, "w": parameter, "Y": X + parameter}
    for blob, found in zip(outputs.split(), run(model, X), strict=True):
        np.testing.assert_array_equal(found, values[blob])


def test_an_output_that_is_written_in_place_has_its_last_value() -> None:
    net = net_of(("Relu", "X", "X"), ("Sigmoid", "X", "X"), outputs="X")
    np.testing.assert_allclose(run(caffe2_to_onnx(net, inputs={"X": VECTOR}), X)[0], sigmoid(relu(X)), rtol=1e-6)
