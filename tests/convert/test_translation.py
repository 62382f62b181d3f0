"""What `caffe2_to_onnx` promises besides the operators: names, shared memory, opsets, symbolic sizes, errors."""

import gc
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from zoosmith.convert import ConvertError, caffe2_to_onnx, untranslatable
from zoosmith.convert.graph import Graph, Value
from zoosmith.convert.operator import Operator
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.convert.registry import translators

VECTOR = (1, [2, 4])
X = np.array([[-1.5, 0.25, 2, -3], [0.5, -0.5, 1, 0]], np.float32)


def net_of(*ops: tuple[str, str, str], outputs: str, inputs: str = "X", **arguments: Any) -> NetDef:
    """A net of (type, inputs, outputs) with blobs by name; arguments go to the last operator."""
    net = NetDef(name="n", external_input=inputs.split(), external_output=outputs.split())
    for kind, read, written in ops:
        net.op.add(type=kind, input=read.split(), output=written.split())
    for name, value in arguments.items():
        field = {int: "i", float: "f", str: "s", list: "ints"}[type(value)]
        net.op[-1].arg.add(name=name, **{field: value.encode() if isinstance(value, str) else value})
    return net


def filled(**arrays: np.ndarray) -> NetDef:
    net = NetDef(name="init")
    for name, array in arrays.items():
        op = net.op.add(type="GivenTensorFill", output=[name])
        op.arg.add(name="shape", ints=array.shape)
        op.arg.add(name="values", floats=array.ravel().tolist())
    return net


def run(model: onnx.ModelProto, *arrays: np.ndarray) -> list[np.ndarray]:
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip((value.name for value in session.get_inputs()), arrays, strict=True)))


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def outputs_of(model: onnx.ModelProto) -> list[str]:
    return [value.name for value in model.graph.output]


@pytest.mark.parametrize(
    ("style", "expected"),
    [("zoo", ["X_0", "Y_1", "Y_2", "Z_1"]), ("caffe2", ["X", "Y_1", "Y_2", "Z"])],
)
def test_names_follow_the_style(style: str, expected: list[str]) -> None:
    net = net_of(("Relu", "X", "Y"), ("Tanh", "Y", "Y"), ("Abs", "Y", "Z"), outputs="Z")
    graph = caffe2_to_onnx(net, inputs={"X": VECTOR}, names=style).graph
    assert [graph.input[0].name, *(node.output[0] for node in graph.node)] == expected


@pytest.mark.parametrize("style", ["zoo", "caffe2"])
def test_a_blob_called_as_another_ones_version_keeps_its_own_value(style: str) -> None:
    net = net_of(("Relu", "X", "X_1"), ("Sigmoid", "X", "X"), ("Sub", "X X_1", "X_2"), outputs="X_2 X X_1")
    result = run(caffe2_to_onnx(net, inputs={"X": VECTOR}, names=style), X)
    for found, expected in zip(result, [sigmoid(X) - relu(X), sigmoid(X), relu(X)], strict=True):
        assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("style", ["zoo", "caffe2"])
def test_helper_names_give_way_to_blobs_called_like_them(style: str) -> None:
    net = net_of(("FC", "OC2_DUMMY_0 OC2_DUMMY b", "OC2_DUMMY_1"), inputs="OC2_DUMMY_0", outputs="OC2_DUMMY_1")
    weight = np.arange(12, dtype=np.float32).reshape(3, 4)
    data = np.ones((2, 2, 2), np.float32)
    init = filled(OC2_DUMMY=weight, b=np.zeros(3, np.float32))
    model = caffe2_to_onnx(net, init, inputs={"OC2_DUMMY_0": (1, [2, 2, 2])}, names=style)
    assert np.array_equal(run(model, data)[0], data.reshape(2, 4) @ weight.T)


@pytest.mark.parametrize("style", ["zoo", "caffe2"])
def test_outputs_may_be_inputs_parameters_and_repeated(style: str) -> None:
    net = net_of(("Mul", "X w", "Y"), outputs="Y X w Y w", inputs="X w")
    model = caffe2_to_onnx(net, filled(w=X * 2), inputs={"X": VECTOR}, names=style)
    assert len(set(outputs_of(model))) == 5
    for found, expected in zip(run(model, X), [X * X * 2, X, X * 2, X * X * 2, X * 2], strict=True):
        assert np.array_equal(found, expected)


def test_a_parameter_that_the_net_rewrites_is_read_in_both_versions() -> None:
    net = net_of(("Mul", "X w", "Y"), ("Relu", "w", "w"), ("Add", "Y w", "Z"), outputs="Z w", inputs="X w")
    result = run(caffe2_to_onnx(net, filled(w=-X), inputs={"X": VECTOR}), X)
    assert np.allclose(result[0], X * -X + relu(-X))
    assert np.array_equal(result[1], relu(-X))


def test_an_operator_in_place_on_an_alias_changes_the_original() -> None:
    net = net_of(("Alias", "X", "a"), ("Relu", "a", "a"), ("Copy", "X", "Y"), outputs="Y a X")
    for found in run(caffe2_to_onnx(net, inputs={"X": VECTOR}), X):
        assert np.array_equal(found, relu(X))


def test_an_alias_ends_where_its_name_is_given_to_other_memory() -> None:
    net = net_of(("Alias", "X", "a"), ("Alias", "Z", "a"), ("Relu", "a", "a"), outputs="X Z", inputs="X Z")
    result = run(caffe2_to_onnx(net, inputs={"X": VECTOR, "Z": VECTOR}), X, -X)
    assert np.array_equal(result[0], X)
    assert np.array_equal(result[1], relu(-X))


def test_blobs_without_a_name_are_told_apart() -> None:
    net = NetDef(name="n", external_input=["X"], external_output=["", "Y"])
    net.op.add(type="Relu", input=["X"], output=[""])
    net.op.add(type="Abs", input=[""], output=["Y"])
    for style in ("zoo", "caffe2"):
        result = run(caffe2_to_onnx(net, inputs={"X": VECTOR}, names=style), X)
        assert np.array_equal(result[0], relu(X))


def test_unused_parameters_stay_where_the_net_declares_them_and_go_where_it_does_not() -> None:
    net = net_of(("Relu", "X", "Y"), outputs="Y", inputs="X declared")
    init = filled(declared=np.ones(3, np.float32), undeclared=np.ones(3, np.float32))
    model = caffe2_to_onnx(net, init, inputs={"X": VECTOR}, names="caffe2")
    assert [tensor.name for tensor in model.graph.initializer] == ["declared"]
    assert np.array_equal(run(model, X)[0], relu(X))


def test_an_init_net_may_compute_parameters_from_others() -> None:
    init = filled(w=X)
    init.op.add(type="Scale", input=["w"], output=["v"]).arg.add(name="scale", f=3.0)
    net = net_of(("Add", "X v", "Y"), outputs="Y", inputs="X v")
    assert np.allclose(run(caffe2_to_onnx(net, init, inputs={"X": VECTOR}), X)[0], X + X * 3)


def test_a_fill_of_a_blob_that_is_declared_as_input_is_a_placeholder() -> None:
    model = caffe2_to_onnx(net_of(("Relu", "X", "Y"), outputs="Y"), filled(X=X), inputs={"X": VECTOR})
    assert not model.graph.initializer
    assert np.array_equal(run(model, -X)[0], relu(-X))


@pytest.mark.parametrize(
    ("net", "shape", "expected"),
    [
        (net_of(("Relu", "X", "Y"), outputs="Y"), ["N", 3], ["N", 3]),
        (net_of(("Flatten", "X", "Y"), outputs="Y"), ["N", 3, 4, 4], ["N", 48]),
        (net_of(("AveragePool", "X", "Y"), outputs="Y", kernel=2, stride=2), ["N", 3, 4, 4], ["N", 3, 2, 2]),
        (net_of(("Softmax", "X", "Y"), outputs="Y"), ["N", 3], ["N", 3]),
        (net_of(("Transpose", "X", "Y"), outputs="Y", axes=[1, 0, 2]), ["N", 3, 4], [3, "N", 4]),
        (net_of(("LayerNorm", "X", "Y m s"), outputs="Y"), ["N", 3, 4], ["N", 3, 4]),
        (net_of(("ReduceMean", "X", "Y"), outputs="Y", axes=[1], keepdims=0), ["N", 3, 4], ["N", 4]),
    ],
    ids=lambda value: value.op[0].type if isinstance(value, NetDef) else "",
)
def test_a_symbolic_size_reaches_the_output(net: NetDef, shape: list, expected: list) -> None:
    model = caffe2_to_onnx(net, inputs={"X": (1, shape)})
    dims = model.graph.output[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == expected
    small = np.random.RandomState(0).standard_normal([5 if size == "N" else size for size in shape]).astype(np.float32)
    assert run(model, small)[0].shape == tuple(5 if size == "N" else size for size in expected)


@pytest.mark.parametrize("axis", [1, 2])
def test_a_product_keeps_a_symbolic_batch(axis: int) -> None:
    net = net_of(("FC", "X w b", "Y"), outputs="Y", inputs="X w b", axis=axis)
    inner = 12 if axis == 1 else 4
    init = filled(w=np.ones((5, inner), np.float32), b=np.zeros(5, np.float32))
    model = caffe2_to_onnx(net, init, inputs={"X": (1, ["N", 3, 4])})
    dims = [dim.dim_param or dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim]
    assert dims == (["N", 5] if axis == 1 else ["N", 3, 5])
    assert run(model, np.ones((6, 3, 4), np.float32))[0].shape == ((6, 5) if axis == 1 else (6, 3, 5))


def test_the_opset_is_the_lowest_from_9_on_that_can_express_the_net() -> None:
    net = net_of(("Relu", "X", "Z"), ("UpsampleBilinear", "Z", "Y"), outputs="Y", width_scale=2.0)
    assert caffe2_to_onnx(net, inputs={"X": (1, [1, 1, 2, 2])}, opset=None).opset_import[0].version == 11
    plain = net_of(("Relu", "X", "Y"), outputs="Y")
    assert caffe2_to_onnx(plain, inputs={"X": VECTOR}, opset=None).opset_import[0].version == 9


def test_an_opset_that_is_too_low_names_all_operators_that_need_more() -> None:
    net = net_of(("Sinh", "X", "Z"), ("Relu", "Z", "Z"), ("UpsampleBilinear", "Z", "Y"), outputs="Y")
    with pytest.raises(
        ConvertError, match=r"opset 7 cannot express Sinh \(opset 9: .*\), UpsampleBilinear \(opset 11: "
    ):
        caffe2_to_onnx(net, inputs={"X": (1, [1, 1, 2, 2])}, opset=7)


@pytest.mark.parametrize(("opset", "ir_version", "parameters_are_inputs"), [(9, 3, True), (12, 7, False)])
def test_files_are_as_the_zoos_up_to_opset_9(opset: int, ir_version: int, parameters_are_inputs: bool) -> None:
    net = net_of(("Add", "X w", "Y"), outputs="Y", inputs="w X")
    model = caffe2_to_onnx(net, filled(w=X), inputs={"X": VECTOR}, opset=opset)
    assert model.ir_version == ir_version
    assert [value.name for value in model.graph.input] == (["w_0", "X_0"] if parameters_are_inputs else ["X_0"])


def test_all_operators_without_translator_are_named_at_once() -> None:
    net = net_of(("Nonsense", "X", "Y"), ("Relu", "Y", "Y"), ("Nonsense", "Y", "Y"), ("Other", "Y", "Y"), outputs="Y")
    assert untranslatable(net) == {"Nonsense": 2, "Other": 1}
    with pytest.raises(ConvertError, match=r"2 operator types of the net: Nonsense \(2\), Other \(1\)"):
        caffe2_to_onnx(net, inputs={"X": VECTOR})


@pytest.mark.parametrize(
    ("net", "init", "inputs", "says"),
    [
        (net_of(("Relu", "X", "Y"), outputs="Y"), None, {"Z": VECTOR}, "the net has no input 'Z'; .* inputs are 'X'"),
        (filled(w=X), None, {"Z": VECTOR}, "the net has no input 'Z'; it only fills blobs, as an init"),
        (filled(w=X), net_of(("Relu", "X", "Y"), outputs="Y"), {"X": VECTOR}, "nets are swapped: .* only fills blobs"),
        (net_of(("Add", "X w", "Y"), outputs="Y", inputs="X w"), None, {"X": VECTOR}, "nothing gives 'w'"),
        (net_of(("Add", "X w", "Y"), outputs="Y"), None, {"X": VECTOR}, "nothing gives 'w'"),
        (net_of(("Relu", "X", "Y"), outputs="Q"), None, {"X": VECTOR}, "nothing gives 'Q'"),
        (NetDef(name="n"), None, {}, "holds no operator"),
        (
            net_of(("Add", "X", "Y"), outputs="Y"),
            None,
            {"X": VECTOR},
            "Add that makes 'Y': it has 1 inputs",
        ),
        (net_of(("Softmax", "X", "Y"), outputs="Y", axis=5), None, {"X": VECTOR}, "axis 5 of 'X_0'"),
        (net_of(("Elu", "X", "Y"), outputs="Y", alpha=1), None, {"X": VECTOR}, "'alpha' holds i, expected a float"),
        (net_of(("Dropout", "X", "Y m"), outputs="Y"), None, {"X": VECTOR}, "is_test=0: it would drop at random"),
        (net_of(("Dropout", "X", "Y m"), outputs="m", is_test=1), None, {"X": VECTOR}, "'m', an output that has no"),
        (
            net_of(("FC", "X w b", "Y"), outputs="Y"),
            filled(w=np.ones((3, 5), np.float32), b=np.ones(3, np.float32)),
            {"X": VECTOR},
            "FC that makes 'Y': the weight 'w_0' takes 5 values, the input has 4",
        ),
        (
            net_of(("Conv", "X w", "Y"), outputs="Y", kernel=3),
            filled(w=np.ones((4, 2, 3, 3), np.float32)),
            {"X": (1, [1, 3, 8, 8])},
            r"the weight 'w_0' has shape \[4, 2, 3, 3\], expected \[\?, 3, 3, 3\]",
        ),
    ],
)
def test_errors_are_one_line_that_names_the_operator_and_the_blob(
    net: NetDef, init: NetDef | None, inputs: dict, says: str
) -> None:
    with pytest.raises(ConvertError, match=says) as caught:
        caffe2_to_onnx(net, init, inputs=inputs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("opset", "names"), [(2, "zoo"), (99, "zoo"), (9, "other")])
def test_options_outside_their_range_are_refused(opset: int, names: str) -> None:
    with pytest.raises(ConvertError, match=r"expected"):
        caffe2_to_onnx(net_of(("Relu", "X", "Y"), outputs="Y"), inputs={"X": VECTOR}, opset=opset, names=names)


def test_what_a_net_makes_of_constants_alone_decides_shapes() -> None:
    net = NetDef(name="n", external_input=["X"], external_output=["Y"])
    net.op.add(type="Shape", input=["X"], output=["s"])
    first = net.op.add(type="Slice", input=["s"], output=["first"])
    first.arg.add(name="starts", ints=[0])
    first.arg.add(name="ends", ints=[1])
    rest = net.op.add(type="ConstantFill", output=["rest"])
    rest.arg.add(name="shape", ints=[1])
    rest.arg.add(name="value", i=-1)
    net.op.add(type="Concat", input=["first", "rest"], output=["target", "_"]).arg.add(name="axis", i=0)
    net.op.add(type="Reshape", input=["X", "target"], output=["Y", "_old"])
    model = caffe2_to_onnx(net, inputs={"X": (1, [2, 3, 4])})
    assert [dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim] == [2, 12]
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert np.array_equal(run(model, data)[0], data.reshape(2, 12))


def test_two_conversions_give_the_same_bytes() -> None:
    net = net_of(("Swish", "X", "Z"), ("FC", "Z w b", "Y"), outputs="Y")
    init = filled(w=np.ones((3, 4), np.float32), b=np.ones(3, np.float32))
    models = [caffe2_to_onnx(net, init, inputs={"X": VECTOR}, opset=opset) for opset in (13, 13)]
    assert models[0].SerializeToString() == models[1].SerializeToString()


def test_nothing_of_a_conversion_stays_in_memory() -> None:
    net = net_of(("LayerNorm", "X", "Z m s"), ("Concat", "Z Z", "Y info"), outputs="Y")
    gc.collect()
    gc.disable()
    try:
        caffe2_to_onnx(net, inputs={"X": VECTOR})
        assert not [kept for kept in gc.get_objects() if isinstance(kept, (Graph, Operator, Value))]
    finally:
        gc.enable()


def test_a_translator_is_registered_once_with_a_docstring() -> None:
    for kind, entry in translators().items():
        assert entry.translate.__doc__, kind


@pytest.mark.parametrize(
    ("arguments", "axis"),
    [({}, None), ({"axis": 1}, 1), ({"axis_str": "C"}, 1), ({"axis_str": "C", "order": "NHWC"}, 3)],
)
def test_below_opset_7_the_axis_of_a_broadcast_is_written_where_the_net_gives_one(
    arguments: dict[str, Any], axis: int | None
) -> None:
    net = net_of(("Add", "X b", "Y"), outputs="Y", inputs="X b", broadcast=1, **arguments)
    vector = [3] if axis else [2, 3]
    shape = [1, 2, 2, 3] if axis != 1 else [1, 3, 2, 2]
    (node,) = caffe2_to_onnx(net, inputs={"X": (1, shape), "b": (1, vector)}, opset=6).graph.node
    written = {attribute.name: attribute.i for attribute in node.attribute}
    assert written == ({"broadcast": 1} if axis is None else {"axis": axis, "broadcast": 1})


def test_factors_of_a_resize_may_be_arguments_a_parameter_or_computed_by_the_net() -> None:
    image = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    scales = np.float32([1, 2])
    by_argument = net_of(("UpsampleBilinear", "X", "Y"), outputs="Y", width_scale=2.0)
    by_blob = net_of(("UpsampleBilinear", "X s", "Y"), outputs="Y", inputs="X s")
    known = [
        caffe2_to_onnx(by_argument, inputs={"X": (1, [1, 1, 2, 2])}, opset=11),
        caffe2_to_onnx(by_blob, filled(s=scales), inputs={"X": (1, [1, 1, 2, 2])}, opset=11),
    ]
    computed = caffe2_to_onnx(by_blob, inputs={"X": (1, [1, 1, 2, 2]), "s": (1, [2])}, opset=11)
    assert [[node.op_type for node in model.graph.node] for model in known] == [["Resize"]] * 2
    (expected,) = run(known[0], image)
    assert expected.shape == (1, 1, 2, 4)
    assert np.array_equal(run(known[1], image)[0], expected)
    assert np.array_equal(run(computed, image, scales)[0], expected)
