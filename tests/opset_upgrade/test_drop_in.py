"""In the place of onnx's own converter: what its callers expect of errors and of malformed models."""

import inspect
import struct

import numpy as np
import onnx.version_converter
import pytest
from onnx import GraphProto, ModelProto, TensorProto, checker, helper, numpy_helper, parser
from onnx.reference import ReferenceEvaluator
from onnx.version_converter import ConvertError

from zoosmith.opset_upgrade import convert, convert_version


def parsed(text: str, opset: int = 13) -> ModelProto:
    return parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]> g {text}')


@pytest.mark.parametrize("kind", [RuntimeError, ConvertError])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(float[1] x) => (float[1] z) { y = Identity (x) }", "output 'z' of graph 'g': no node makes it"),
        ("(float[1] x) => (float[1] y) { y = Add (x, w) }", r"\(Add\): its input 'w': no node makes it"),
        (
            "(bool c, float[1] x) => (float[1] y) { y = If (c) <then_branch = t () => (p) { p = Neg (v) },"
            " else_branch = e () => (q) { q = Neg (x) }> }",
            r"\(Neg\): its input 'v': no node makes it",
        ),
    ],
)
def test_values_that_nothing_makes_raise_what_onnx_s_converter_raises(
    text: str, message: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=message):
        convert_version(parsed(text), 14)


def test_branches_see_the_values_around_them() -> None:
    text = """(bool c, float[1] x) => (float[1] y) { a = Relu (x)  y = If (c) <
        then_branch = t () => (p) { p = Neg (a) }, else_branch = e () => (q) { q = Neg (x) }> }"""
    assert convert_version(parsed(text), 14).opset_import[0].version == 14


def test_a_branch_may_give_a_value_of_the_graph_around_it() -> None:
    branch = helper.make_graph([], "b", [], [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    model = parsed("(bool c, float[1] x) => (float[1] y) { y = Identity (x) }")
    model.graph.node[0].CopyFrom(node)
    assert [value.name for value in convert_version(model, 14).graph.output] == ["y"]


def test_nodes_that_are_not_in_order_are_converted() -> None:
    model = parsed("(float[2, 3] x) => (float[2, 3] y) { a = Softmax <axis = 1> (x)  y = Relu (a) }")
    model.graph.node.insert(0, model.graph.node.pop(1))
    assert convert_version(model, 11).graph.node[0].op_type == "Relu"


@pytest.mark.parametrize(("source", "target"), [(6, 7), (7, 6)])
@pytest.mark.parametrize("shapes", [("4, 3", "28"), ("12", "3, 4")])
def test_a_gemm_of_what_is_no_matrix_is_refused(source: int, target: int, shapes: tuple[str, str]) -> None:
    first, second = shapes
    text = f"(float[{first}] a, float[{second}] b, float[4] c) => (float y) {{ y = Gemm (a, b, c) }}"
    with pytest.raises(RuntimeError, match="is of rank 1, where the operator takes matrices"):
        convert_version(parsed(text, source), target)


def test_an_initializer_whose_data_is_too_short_is_refused() -> None:
    model = parsed("(float[4, 2] x) => (float[1, 2] y, float[3, 2] z) { y, z = Split <axis = 0> (x, s) }")
    model.graph.initializer.add(name="s", data_type=TensorProto.INT64, dims=[2], raw_data=struct.pack("<q", 1))
    with pytest.raises(RuntimeError, match="the data of tensor 's' does not fit its type and shape"):
        convert_version(model, 12)


def test_a_constant_node_whose_data_is_too_short_is_refused() -> None:
    text = "(float[4, 2] x) => (float[1, 2] y, float[3, 2] z) { s = Constant () y, z = Split <axis = 0> (x, s) }"
    model = parsed(text)
    value = TensorProto(data_type=TensorProto.INT64, dims=[2], raw_data=struct.pack("<q", 1))
    model.graph.node[0].attribute.append(helper.make_attribute("value", value))
    with pytest.raises(RuntimeError, match="the data of tensor '' does not fit its type and shape"):
        convert_version(model, 12)


@pytest.mark.parametrize("target", [26, 28])
def test_an_output_that_states_no_shape_gets_what_is_known_of_it(target: int) -> None:
    model = parsed("(float a, float b, float c) => (float y) { y = Range (a, b, c) }", 27)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    converted = convert_version(model, target)
    checker.check_model(converted, full_check=True)
    assert len(converted.graph.output[0].type.tensor_type.shape.dim) == 1


def test_constants_come_before_the_node_that_reads_them() -> None:
    text = (
        "(float[20, 10, 5] x) => (float[3, 10, 5] y) { y = Slice <axes = [0, 1], starts = [0, 0], ends = [3, 10]> (x) }"
    )
    converted = convert_version(parsed(text, 9), 10)
    assert [node.op_type for node in converted.graph.node] == ["Constant"] * 3 + ["Slice"]
    assert np.all(numpy_helper.to_array(converted.graph.node[1].attribute[0].t) == [3, 10])


def test_a_node_of_the_oldest_opsets_may_lack_the_hint_about_memory() -> None:
    text = "(float[2, 3] x, float[3] s, float[3] b, float[3] m, float[3] v) => (float[2, 3] y)"
    model = parsed(text + " { y = BatchNormalization <is_test = 1> (x, s, b, m, v) }", 5)
    converted = convert_version(model, 9)
    checker.check_model(converted, full_check=True)
    assert [attribute.name for attribute in converted.graph.node[0].attribute] == []


def test_the_arguments_are_those_of_onnx_s_converter() -> None:
    model = parsed("(float[1] x) => (float[1] y) { y = Relu (x) }")
    names = list(inspect.signature(onnx.version_converter.convert_version).parameters)
    assert list(inspect.signature(convert_version).parameters)[: len(names)] == names
    assert convert_version(model=model, target_version=np.int64(14)).opset_import[0].version == 14


@pytest.mark.parametrize(
    "arguments", [("model.onnx", 14), (None, 14), (parsed("() => () {}"), "14"), (GraphProto(), 14)]
)
def test_arguments_of_other_types_are_a_type_error(arguments: tuple) -> None:
    with pytest.raises(TypeError):
        onnx.version_converter.convert_version(*arguments)
    with pytest.raises(TypeError):
        convert_version(*arguments)


def upsampling() -> ModelProto:
    """Scales that are an input with a default: the caller may give others."""
    model = parsed('(float[1, 1, 2, 2] x, float[4] s) => (float y) { y = Upsample <mode = "nearest"> (x, s) }', 9)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 2, 3], np.float32), "s"))
    return model


def test_an_input_with_a_default_that_must_be_known_becomes_a_constant_and_that_is_said() -> None:
    conversion = convert(upsampling(), 8)
    assert [str(caveat) for caveat in conversion.caveats] == [
        "node 0 (unnamed, makes 'y') (Upsample): holds for the default value of input 's', which becomes a constant"
    ]
    graph = conversion.model.graph
    assert [value.name for value in graph.input] == ["x"]
    assert not graph.initializer
    assert list(graph.node[0].attribute[1].floats) == [1, 1, 2, 3]


def test_exact_refuses_to_take_the_default() -> None:
    with pytest.raises(RuntimeError, match=r"scales \('s'\) is computed at run time"):
        convert(upsampling(), 8, exact=True)


def test_an_input_with_a_default_stays_one_where_nothing_must_know_it() -> None:
    conversion = convert(upsampling(), 10)
    assert [value.name for value in conversion.model.graph.input] == ["x", "s"]
    assert not conversion.caveats


@pytest.mark.parametrize(
    ("text", "operators"),
    [
        ("(uint64[3, 4] a, uint64[4, 3] b) => (uint64[3, 3] y) { y = MatMul (a, b) }", ["MatMul"]),
        ("(int32[3, 4] a, int32[4, 3] b, int32[3, 3] c) => (int32[3, 3] y) { y = Gemm (a, b, c) }", ["Gemm"]),
        ("(uint64[2, 3] a, uint64[2, 3] b) => (uint64[2, 3] y) { y = PRelu (a, b) }", ["PRelu"]),
    ],
)
def test_products_of_integers_below_9_are_of_doubles_and_that_is_said(text: str, operators: list[str]) -> None:
    model = parsed(text, 9)
    conversion = convert(model, 8)
    made = [node.op_type for node in conversion.model.graph.node]
    assert made == ["Cast"] * len(model.graph.input) + operators + ["Cast"]
    assert [caveat.kind for caveat in conversion.caveats] == ["approximate"]
    kinds = {TensorProto.UINT64: np.uint64, TensorProto.INT32: np.int32}
    feeds = {}
    for port in model.graph.input:
        tensor = port.type.tensor_type
        shape = [size.dim_value for size in tensor.shape.dim]
        feeds[port.name] = np.arange(np.prod(shape)).reshape(shape).astype(kinds[tensor.elem_type])
    expected = ReferenceEvaluator(model).run(None, feeds)[0]
    np.testing.assert_array_equal(ReferenceEvaluator(conversion.model).run(None, feeds)[0], expected)
    with pytest.raises(RuntimeError, match="no exact way is known"):
        convert(model, 8, exact=True)
