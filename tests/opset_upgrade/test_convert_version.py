"""`convert_version` on whole models: what it keeps, what it changes, what it refuses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, checker, helper, numpy_helper

from tests.opset_upgrade.nodes import run
from zoosmith.opset_upgrade import OpsetError, convert, convert_version
from zoosmith.opset_upgrade.schemas import NEWEST_OPSET
from zoosmith.validation.verification.comparison import compare

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def value(name: str, shape: list[Any] | None, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def graph(nodes: list[onnx.NodeProto], inputs: list[Any], outputs: list[Any], **constants: Any) -> GraphProto:
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    return helper.make_graph(nodes, "g", inputs, outputs, tensors)


def model(body: GraphProto, opset: int, ir_version: int = 8, **more: Any) -> ModelProto:
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version, **more)


def same(before: ModelProto, after: ModelProto, feeds: dict[str, np.ndarray]) -> None:
    checker.check_model(after, full_check=True)
    comparison = compare(run(before, feeds), run(after, feeds))
    assert comparison.passed, str(comparison)


X = np.linspace(-2, 3, 24, dtype=np.float32).reshape(2, 3, 4)


def squeezing(opset: int = 13, ir_version: int = 8) -> ModelProto:
    body = graph(
        [
            helper.make_node("Unsqueeze", ["x", "axes"], ["u"], name="up"),
            helper.make_node("Softmax", ["u"], ["s"], name="soft", axis=1),
            helper.make_node("Squeeze", ["s", "axes"], ["y"], name="down"),
        ],
        [value("x", [2, 3, 4])],
        [value("y", [2, 3, 4])],
        axes=np.array([0], dtype=np.int64),
        weights=np.ones((100, 100), dtype=np.float32),
    )
    return model(body, opset, ir_version)


def test_the_model_that_is_given_stays_as_it_is() -> None:
    given = squeezing()
    before = given.SerializeToString()
    for target in range(1, NEWEST_OPSET + 1):
        convert_version(given, target)
    assert given.SerializeToString() == before


@pytest.mark.parametrize("target", range(7, NEWEST_OPSET + 1))
def test_a_model_means_the_same_at_every_opset(target: int) -> None:
    same(squeezing(), convert_version(squeezing(), target), {"x": X})


def test_the_same_opset_gives_the_same_bytes() -> None:
    assert convert_version(squeezing(), 13).SerializeToString() == squeezing().SerializeToString()


def test_two_conversions_give_the_same_bytes() -> None:
    first, second = (convert_version(squeezing(), 7).SerializeToString() for _ in range(2))
    assert first == second


def test_what_it_does_not_touch_keeps_its_bytes_unknown_fields_too() -> None:
    given = squeezing()
    given.producer_name, given.doc_string = "somebody", "kept"
    given.metadata_props.add(key="a", value="b")
    # a field of a later IR, which this onnx does not know
    given = ModelProto.FromString(given.SerializeToString() + b"\xfa\x3f\x03new")
    converted = convert_version(given, 21)
    assert b"\xfa\x3f\x03new" in converted.SerializeToString()
    converted.opset_import[0].version, converted.ir_version = 13, 8
    assert converted.SerializeToString() == given.SerializeToString()


def test_a_shared_constant_serves_all_its_readers_and_goes_with_the_last() -> None:
    older = convert_version(squeezing(), 12)
    assert [tensor.name for tensor in older.graph.initializer] == ["weights"]
    assert [list(node.attribute[0].ints) for node in older.graph.node if "queeze" in node.op_type] == [[0], [0]]
    shared = squeezing()
    shared.graph.node.append(helper.make_node("Identity", ["axes"], ["kept"]))
    shared.graph.output.append(value("kept", [1], INT64))
    assert {tensor.name for tensor in convert_version(shared, 12).graph.initializer} == {"weights", "axes"}


def test_an_initializer_that_the_caller_may_override_is_no_constant_but_with_a_caveat() -> None:
    given = squeezing()
    given.graph.input.append(value("axes", [1], INT64))
    del given.graph.output[0].type.tensor_type.shape.dim[:]
    given.graph.output[0].CopyFrom(value("y", None))
    with pytest.raises(OpsetError, match=r"'up' \(Unsqueeze\): axes \('axes'\) are computed at run time"):
        convert(given, 12, exact=True)
    conversion = convert(given, 12)
    assert compare(run(given, {"x": X}), run(conversion.model, {"x": X})).passed
    assert [(caveat.kind, caveat.reason) for caveat in conversion.caveats] == [("default", "input 'axes'")]


def test_axes_made_of_constants_by_other_nodes_are_found() -> None:
    given = squeezing()
    del given.graph.initializer[0]
    given.graph.node.insert(0, helper.make_node("Constant", [], ["one"], value_ints=[1]))
    given.graph.node.insert(1, helper.make_node("Shape", ["x"], ["shape"]))
    given.graph.node.insert(2, helper.make_node("Shape", ["shape"], ["rank"]))
    given.graph.node.insert(3, helper.make_node("Div", ["rank", "rank"], ["unit"]))
    given.graph.node.insert(4, helper.make_node("Sub", ["unit", "one"], ["axes"]))
    same(given, convert_version(given, 12), {"x": X})


def test_new_names_never_clash() -> None:
    given = squeezing()
    taken = {name for node in convert_version(given, 12).graph.node for name in (*node.output, node.name)}
    for name in sorted(taken - {"u", "s", "y", "up", "soft", "down"}):
        given.graph.node.append(helper.make_node("Identity", ["x"], [name], name=name))
    older = convert_version(given, 12)
    same(given, older, {"x": X})
    made = [name for node in older.graph.node for name in node.output]
    assert len(made) == len(set(made))


def test_subgraphs_see_the_constants_around_them() -> None:
    def branch(scale: str) -> GraphProto:
        nodes = [
            helper.make_node("ReduceSum", ["x", "axes"], ["r"], keepdims=0),
            helper.make_node("Mul", ["r", scale], ["out"]),
        ]
        return helper.make_graph(nodes, "branch", [], [value("out", [2, 4])])

    chosen = helper.make_node("If", ["c"], ["y"], then_branch=branch("two"), else_branch=branch("three"))
    given = model(
        graph(
            [chosen],
            [value("c", [], TensorProto.BOOL), value("x", [2, 3, 4])],
            [value("y", [2, 4])],
            axes=np.array([1], dtype=np.int64),
            two=np.float32(2),
            three=np.float32(3),
        ),
        13,
    )
    for target in (9, 12, 21):
        for condition in (True, False):
            same(given, convert_version(given, target), {"c": np.array(condition), "x": X})


def test_the_body_of_a_loop_is_converted() -> None:
    body = helper.make_graph(
        [
            helper.make_node("Softmax", ["s"], ["t"], axis=0),
            helper.make_node("Identity", ["more"], ["again"]),
        ],
        "body",
        [value("i", [], INT64), value("more", [], TensorProto.BOOL), value("s", [2, 3, 4])],
        [value("again", [], TensorProto.BOOL), value("t", [2, 3, 4])],
    )
    loop = helper.make_node("Loop", ["n", "c", "x"], ["y"], body=body)
    given = model(
        graph([loop], [value("x", [2, 3, 4])], [value("y", [2, 3, 4])], n=np.array(2), c=np.array(True)),
        13,
    )
    older = convert_version(given, 11)
    same(given, older, {"x": X})
    same(given, convert_version(older, 21), {"x": X})


def test_model_local_functions_are_converted_with_their_own_imports() -> None:
    function = helper.make_function(
        "local",
        "Norm",
        ["a"],
        ["b"],
        [
            helper.make_node("Constant", [], ["axes"], value_ints=[1]),
            helper.make_node("ReduceSum", ["a", "axes"], ["sum"]),
            helper.make_node("Div", ["a", "sum"], ["b"]),
        ],
        [helper.make_opsetid("", 13)],
    )
    body = graph(
        [helper.make_node("Norm", ["x"], ["y"], domain="local")], [value("x", [2, 3, 4])], [value("y", [2, 3, 4])]
    )
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("local", 1)]
    given = helper.make_model(body, opset_imports=imports, functions=[function], ir_version=8)
    for target in (11, 12, 18, 21):
        converted = convert_version(given, target)
        assert converted.functions[0].opset_import[0].version == target
        same(given, converted, {"x": np.abs(X) + 1})


def test_an_attribute_that_is_a_parameter_of_the_function_is_refused_where_its_value_matters() -> None:
    softmax = helper.make_node("Softmax", ["a"], ["b"])
    softmax.attribute.add(name="axis", type=AttributeProto.INT, ref_attr_name="axis")
    function = helper.make_function("local", "S", ["a"], ["b"], [softmax], [helper.make_opsetid("", 13)], ["axis"])
    body = graph(
        [helper.make_node("S", ["x"], ["y"], domain="local", axis=1)],
        [value("x", [2, 3, 4])],
        [value("y", [2, 3, 4])],
    )
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("local", 1)]
    given = helper.make_model(body, opset_imports=imports, functions=[function], ir_version=8)
    with pytest.raises(OpsetError, match="attribute axis is a parameter of the function around it"):
        convert_version(given, 12)


def test_operators_of_other_domains_are_left_alone() -> None:
    nodes = [
        helper.make_node("Scaler", ["x"], ["s"], domain="ai.onnx.ml", scale=[2.0], offset=[1.0]),
        helper.make_node("Softmax", ["s"], ["y"], axis=0),
    ]
    body = graph(nodes, [value("x", [3, 4])], [value("y", [3, 4])])
    imports = [helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 13)]
    given = helper.make_model(body, opset_imports=imports, ir_version=8)
    with pytest.raises(OpsetError, match="the rank of 's' is not known"):
        convert_version(given, 12)
    given.graph.value_info.append(value("s", [3, 4]))
    older = convert_version(given, 12)
    assert [(entry.domain, entry.version) for entry in older.opset_import] == [("ai.onnx.ml", 3), ("", 12)]
    assert next(node for node in older.graph.node if node.domain) == given.graph.node[0]
    same(given, older, {"x": X[0]})


def test_before_ir_4_a_new_initializer_is_a_graph_input_too() -> None:
    body = graph(
        [helper.make_node("Pad", ["x"], ["p"], pads=[0, 1, 0, 0, 0, 2]), helper.make_node("Upsample", ["p4"], ["y"])],
        [value("x", [2, 3, 4])],
        [],
    )
    del body.node[1]
    body.node[0].output[0] = "y"
    body.output.append(value("y", [2, 4, 6]))
    given = model(body, 6, ir_version=3)
    newest = convert_version(given, NEWEST_OPSET)
    checker.check_model(newest, full_check=True)
    same(given, convert_version(given, 21), {"x": X})
    older = convert_version(convert_version(given, 8), 3)
    inputs = {port.name for port in older.graph.input}
    assert {tensor.name for tensor in older.graph.initializer} <= inputs
    assert older.ir_version == 3
    checker.check_model(older, full_check=True)


def test_optional_inputs_that_are_left_out_stay_out() -> None:
    body = graph(
        [helper.make_node("Clip", ["x", "", "top"], ["y"])],
        [value("x", [2, 3, 4])],
        [value("y", [2, 3, 4])],
        top=np.float32(1.5),
    )
    given = model(body, 13)
    older = convert_version(given, 7)
    assert [attribute.name for attribute in older.graph.node[0].attribute] == ["max"]
    same(given, older, {"x": X})


def test_tensors_in_files_are_not_loaded_however_large() -> None:
    given = squeezing()
    huge = given.graph.initializer.add(name="huge", data_type=FLOAT, dims=[1 << 20, 1 << 20])
    huge.data_location = TensorProto.EXTERNAL
    huge.external_data.add(key="location", value="four_terabytes.bin")
    given.graph.node.add(op_type="MatMul", input=["huge", "m"], output=["n"])
    given.graph.input.append(value("m", [1 << 20, 1]))
    given.graph.output.append(value("n", [1 << 20, 1]))
    for target in (12, 21):
        kept = {tensor.name: tensor for tensor in convert_version(given, target).graph.initializer}
        assert kept["huge"] == huge


def test_every_node_that_cannot_be_expressed_is_named_with_the_lowest_opset_that_would_do() -> None:
    nodes = [
        helper.make_node("StringConcat", ["a", "a"], ["b"], name="join"),
        helper.make_node("RegexFullMatch", ["b"], ["y"], pattern="x"),
    ]
    given = model(
        graph(nodes, [value("a", [2], TensorProto.STRING)], [value("y", [2], TensorProto.BOOL)]), 20, ir_version=9
    )
    with pytest.raises(OpsetError) as refusal:
        convert_version(given, 12)
    text = str(refusal.value)
    assert "\n" not in text
    assert "cannot express the model in opset 12 (opset 20 would do for all)" in text
    assert "node 'join' (StringConcat)" in text
    assert "node 1 (unnamed, makes 'y') (RegexFullMatch)" in text
    assert text.count("opset 20 is the lowest that would do") == 2


@pytest.mark.parametrize(
    ("change", "target", "words"),
    [
        (lambda m: None, 0, f"opset 0 does not exist: give one from 1 to {NEWEST_OPSET}"),
        (lambda m: None, NEWEST_OPSET + 1, f"opset {NEWEST_OPSET + 1} does not exist"),
        (
            lambda m: m.opset_import[0].MergeFrom(helper.make_opsetid("ai.onnx.ml", 1)),
            9,
            "no opset of the default domain",
        ),
        (lambda m: m.opset_import[0].MergeFrom(helper.make_opsetid("", 99)), 9, "the model is of opset 99"),
        (
            lambda m: m.graph.node.add(op_type="Nonsense", output=["z"]),
            9,
            r"\(Nonsense\): no such operator in opset 13",
        ),
    ],
)
def test_what_is_no_such_opset_or_operator_is_told(
    change: Callable[[ModelProto], Any], target: int, words: str
) -> None:
    given = squeezing()
    change(given)
    with pytest.raises(OpsetError, match=words):
        convert_version(given, target)
