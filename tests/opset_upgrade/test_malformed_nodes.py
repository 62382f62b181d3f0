"""Nodes that lack what their operator requires: one clear error, whatever the operator."""

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, checker, defs, helper, numpy_helper, parser

from zoosmith.opset_upgrade import OpsetError, convert_version
from zoosmith.opset_upgrade.schemas import NEWEST_OPSET
from zoosmith.opset_upgrade.version_steps import Step
from zoosmith.opset_upgrade.writer import Writer


def alone(operator: str, opset: int, count: int) -> ModelProto:
    """A model of one node with so many inputs."""
    ports = [helper.make_tensor_value_info(f"i{k}", TensorProto.FLOAT, [2, 3]) for k in range(count)]
    node = helper.make_node(operator, [port.name for port in ports], ["y"], name="node")
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])]
    graph = helper.make_graph([node], "g", ports, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


LACKING = [
    (schema.name, schema.since_version, count)
    for schema in defs.get_all_schemas_with_history()
    if not schema.domain and not schema.deprecated
    for count in range(schema.min_input)
]


def test_a_node_with_fewer_inputs_than_required_is_refused_whatever_the_operator() -> None:
    for operator, since, count in LACKING:
        for target in {NEWEST_OPSET, max(1, since - 1), 1}:
            with pytest.raises(OpsetError, match="node 'node'"):
                convert_version(alone(operator, since, count), target)


def test_a_node_with_more_inputs_or_outputs_than_the_operator_has_is_refused() -> None:
    with pytest.raises(OpsetError, match="it has 2 inputs, where the operator takes 1"):
        convert_version(alone("Relu", 13, 2), 14)
    model = alone("Relu", 13, 1)
    model.graph.node[0].output.append("z")
    with pytest.raises(OpsetError, match="it has 2 outputs, where the operator makes 1"):
        convert_version(model, 14)
    with pytest.raises(OpsetError, match="it has 1 inputs, where the operator takes 2 or more"):
        convert_version(alone("Loop", 13, 1), 14)


@pytest.mark.parametrize("operator", ["Softmax", "Reshape", "Gemm", "Concat", "Where", "Resize"])
def test_the_message_names_the_input_that_is_missing(operator: str) -> None:
    with pytest.raises(OpsetError, match=rf"node 'node' \({operator}\): its input \w+ is missing, which the operator"):
        convert_version(alone(operator, 13, 0), 9)


def test_an_input_that_is_left_out_by_an_empty_name_is_missing() -> None:
    model = alone("Reshape", 13, 2)
    model.graph.node[0].input[1] = ""
    with pytest.raises(OpsetError, match="its input shape is missing"):
        convert_version(model, 9)


def test_an_attribute_of_another_kind_is_named_with_both_kinds() -> None:
    model = alone("Softmax", 13, 1)
    model.graph.node[0].attribute.append(helper.make_attribute("axis", "last"))
    with pytest.raises(OpsetError, match="its attribute axis is of kind string, where the operator takes int"):
        convert_version(model, 9)


@pytest.mark.parametrize(
    ("operator", "opset", "count", "attribute", "target"),
    [
        ("ScatterElements", 18, 3, "reduction", 13),
        ("ScatterND", 18, 3, "reduction", 13),
        ("Resize", 13, 4, "coordinate_transformation_mode", 10),
        ("Gelu", 20, 1, "approximate", 17),
        ("GridSample", 20, 2, "mode", 16),
    ],
)
def test_a_word_that_an_attribute_cannot_be_is_refused_with_those_that_it_can(
    operator: str, opset: int, count: int, attribute: str, target: int
) -> None:
    model = alone(operator, opset, count)
    model.graph.node[0].attribute.append(helper.make_attribute(attribute, "NOTHING"))
    with pytest.raises(OpsetError, match=f"its attribute {attribute} is 'NOTHING', where the operator takes "):
        convert_version(model, target)


@pytest.mark.parametrize("shape", ["int64[]", "int64[1099511627776]", "int64[2, 2]"])
def test_axes_that_are_no_vector_or_more_than_there_are_are_refused(shape: str) -> None:
    model = parser.parse_model(f"""<ir_version: 8, opset_import: ["": 18]>
    g (float[2, 3] x, {shape} axes) => (float[1] y) {{
        y = ReduceMax <keepdims = 0> (x, axes) }}""")
    with pytest.raises(OpsetError, match="axes"):
        convert_version(model, 13)


def test_a_cast_by_the_name_of_no_type_is_refused() -> None:
    model = alone("Cast", 1, 1)
    model.graph.node[0].attribute.append(helper.make_attribute("to", "NOTHING"))
    model.graph.node.append(helper.make_node("Softmax", ["y"], ["z"]))
    with pytest.raises(OpsetError, match="its attribute to is 'NOTHING', which is no element type"):
        convert_version(model, 13)


def test_a_required_attribute_that_is_missing_is_named() -> None:
    with pytest.raises(OpsetError, match="its attribute to is missing, which the operator requires"):
        convert_version(alone("Cast", 13, 1), 5)


def test_the_error_is_a_runtime_error_as_that_of_onnx_s_converter() -> None:
    with pytest.raises(RuntimeError):
        convert_version(alone("Cast", 13, 1), 5)


@pytest.mark.parametrize("target", [16, 13, 9])
def test_nodes_that_read_each_other_in_a_circle_end_in_one_error_or_a_model_that_the_checker_refuses(
    target: int,
) -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]> g (float[2, 3] x) => (float[2, 3] y) {
        a = Add (x, b)  b = Relu (a)  y = HardSigmoid (a) }""")
    try:
        converted = convert_version(model, target)
    except OpsetError as error:
        assert "the type of" in str(error)
    else:
        with pytest.raises(checker.ValidationError, match="topologically sorted"):
            checker.check_model(converted)


def _unreadable(node: NodeProto, g: Writer) -> None:
    raise KeyError("a rule that cannot read the node")


def test_where_a_rule_cannot_read_a_node_that_does_not_fit_its_schema_the_node_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Step, "apply", lambda self, node, g: _unreadable(node, g))
    model = alone("Softmax", 12, 1)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    with pytest.raises(OpsetError, match=r"node 'node' \(Softmax\): it is malformed: 'i0' is tensor\(string\)"):
        convert_version(model, 13)


def test_where_a_rule_cannot_read_a_sound_node_the_fault_is_ours_and_stays_visible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Step, "apply", lambda self, node, g: _unreadable(node, g))
    with pytest.raises(KeyError, match="a rule that cannot read"):
        convert_version(alone("Softmax", 12, 1), 13)


@pytest.mark.parametrize(
    ("operator", "opset", "count", "attribute", "target"),
    [("ReduceMax", 18, 2, "keepdims", 13), ("Unique", 11, 1, "sorted", 10), ("ReverseSequence", 10, 2, "time_axis", 9)],
)
@pytest.mark.parametrize("number", [-1, 2])
def test_a_flag_that_is_neither_0_nor_1_is_refused(
    operator: str, opset: int, count: int, attribute: str, target: int, number: int
) -> None:
    model = alone(operator, opset, count)
    model.graph.node[0].attribute.append(helper.make_attribute(attribute, number))
    with pytest.raises(OpsetError, match=f"its attribute {attribute} is {number}, where the operator takes 0 or 1"):
        convert_version(model, target)


def test_a_constant_of_a_type_that_the_target_lacks_is_refused() -> None:
    cast = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT8E5M2)
    graph = helper.make_graph(
        [cast],
        "g",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT8E5M2, [1])],
        [helper.make_tensor("x", TensorProto.FLOAT, [1], [1.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    assert convert_version(model, 19).graph.node
    with pytest.raises(OpsetError, match="float8e5m2"):
        convert_version(model, 18)


def test_a_constant_that_a_step_computes_in_another_type_is_refused_where_the_target_lacks_its_own() -> None:
    value = helper.make_tensor("x", TensorProto.BFLOAT16, [2, 3], [1, 2, 3, 4, 5, 6])
    lengths = numpy_helper.from_array(np.array([2, 3]), "lengths")
    graph = helper.make_graph(
        [helper.make_node("ReverseSequence", ["x", "lengths"], ["y"], batch_axis=0, time_axis=1)],
        "g",
        [],
        [helper.make_tensor_value_info("y", TensorProto.BFLOAT16, [2, 3])],
        [value, lengths],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 28)], ir_version=10)
    assert convert_version(model, 13).graph.node
    with pytest.raises(OpsetError, match="'y' is tensor\\(bfloat16\\), which Identity does not take there"):
        convert_version(model, 12)


def test_a_limit_of_non_max_suppression_that_is_no_scalar_is_refused() -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("NonMaxSuppression", ["boxes", "scores", "most"], ["y"])],
        "g",
        [value("boxes", TensorProto.FLOAT, [1, 4, 4]), value("scores", TensorProto.FLOAT, [1, 1, 4])],
        [value("y", TensorProto.INT64, None)],
        [helper.make_tensor("most", TensorProto.INT64, [2], [1, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    with pytest.raises(OpsetError, match="its input 'most' has 2 values, where the operator takes 1"):
        convert_version(model, 9)


def test_a_group_normalization_without_an_axis_of_channels_is_refused() -> None:
    vector = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])
    graph = helper.make_graph(
        [helper.make_node("GroupNormalization", ["x", "scale", "bias"], ["y"], num_groups=2)],
        "g",
        [vector],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor(name, TensorProto.FLOAT, [2], [1.0, 1.0]) for name in ("scale", "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    with pytest.raises(OpsetError, match="its input has rank 1"):
        convert_version(model, 21)
