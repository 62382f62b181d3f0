"""The IR version that a converted model gets, and what changes with it."""

from typing import Any

import numpy as np
import pytest
from onnx import IR_VERSION, ModelProto, TensorProto, checker, helper, numpy_helper, parser

from tests.opset_upgrade.nodes import run
from zoosmith.onnx_model.ir_versions import needed_ir, release_ir
from zoosmith.opset_upgrade import OpsetError, convert_version
from zoosmith.validation.verification.comparison import compare

X = np.linspace(-2, 3, 24, dtype=np.float32).reshape(2, 3, 4)


def scaled(opset: int, ir_version: int, **more: Any) -> ModelProto:
    """Softmax of x times an initializer, which below IR 4 is a graph input."""
    nodes = [helper.make_node("Mul", ["x", "w"], ["m"]), helper.make_node("Softmax", ["m"], ["y"], axis=2)]
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 4])]
    if ir_version < 4:
        ports.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4]))
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3, 4])]
    tensors = [numpy_helper.from_array(np.arange(4, dtype=np.float32), "w")]
    graph = helper.make_graph(nodes, "g", ports, outputs, tensors)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in more.pop("domains", ()))]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version, **more)


def inputs(model: ModelProto) -> list[str]:
    return [value.name for value in model.graph.input]


@pytest.mark.parametrize(("opset", "ir"), [(7, 3), (8, 3), (9, 4), (10, 5), (11, 6), (13, 7), (16, 8), (21, 10)])
def test_the_ir_version_is_that_of_the_release_that_brought_the_opset(opset: int, ir: int) -> None:
    model = scaled(18, 8)
    converted = convert_version(model, opset)
    assert converted.ir_version == release_ir(opset) == ir
    checker.check_model(converted, full_check=True)
    assert compare(run(model, {"x": X}), run(converted, {"x": X})).passed


def test_a_lower_ir_version_than_the_release_had_is_kept_on_the_way_down() -> None:
    assert convert_version(scaled(13, 6), 12).ir_version == 6


def test_a_higher_ir_version_than_the_release_had_is_kept_on_the_way_up() -> None:
    assert convert_version(scaled(11, 9), 12).ir_version == 9


def test_the_same_opset_leaves_the_ir_version() -> None:
    assert convert_version(scaled(9, 10), 9) == scaled(9, 10)


def test_below_ir_4_initializers_become_graph_inputs() -> None:
    assert inputs(convert_version(scaled(13, 7), 8)) == ["x", "w"]
    assert inputs(convert_version(scaled(13, 7), 9)) == ["x"]


def test_an_initializer_that_a_step_leaves_without_a_reader_becomes_no_graph_input() -> None:
    model = scaled(13, 7)
    model.graph.node.append(helper.make_node("Reshape", ["x", "shape"], ["r"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([24]), "shape"))
    assert inputs(convert_version(model, 4)) == ["x", "w"]


def test_initializers_of_a_model_below_ir_4_leave_the_graph_inputs_where_it_is_raised() -> None:
    assert inputs(convert_version(scaled(7, 3), 8)) == ["x", "w"]
    assert inputs(convert_version(scaled(7, 3), 9)) == ["x"]


def test_initializers_that_the_caller_may_override_stay_graph_inputs() -> None:
    model = scaled(9, 4)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4]))
    assert inputs(convert_version(model, 13)) == ["x", "w"]


def test_a_given_ir_version_takes_the_place_of_the_release_s() -> None:
    assert convert_version(scaled(13, 7), 9, ir=6).ir_version == 6
    assert convert_version(scaled(13, 7), 13, ir=3).ir_version == 3
    assert inputs(convert_version(scaled(13, 7), 13, ir=3)) == ["x", "w"]


def function(**how: Any) -> Any:
    return helper.make_function(
        "local",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 13)],
        **how,
    )


def calling() -> ModelProto:
    """A model that calls a function of its own."""
    model = scaled(13, 8, functions=[function()], domains=["local"])
    model.graph.node.append(helper.make_node("Twice", ["x"], ["t"], domain="local"))
    return model


def branches() -> ModelProto:
    def branch(name: str) -> Any:
        tensor = numpy_helper.from_array(np.float32(2), f"{name}_c")
        nodes = [helper.make_node("Mul", ["x", f"{name}_c"], [name])]
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(name, 1, [4])], [tensor])

    node = helper.make_node("If", ["c"], ["y"], then_branch=branch("yes"), else_branch=branch("no"))
    ports = [helper.make_tensor_value_info("c", TensorProto.BOOL, []), helper.make_tensor_value_info("x", 1, [4])]
    graph = helper.make_graph([node], "g", ports, [helper.make_tensor_value_info("y", 1, [4])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


def typed(elem_type: int) -> ModelProto:
    model = scaled(13, 13)
    model.graph.value_info.append(helper.make_tensor_value_info("m", elem_type, [2]))
    return model


def with_sparse() -> ModelProto:
    model = scaled(13, 13)
    values = numpy_helper.from_array(np.ones(1, np.float32), "s")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    return model


@pytest.mark.parametrize(
    ("model", "ir", "feature"),
    [
        (scaled(13, 7), 3, ""),
        (branches(), 4, "initializers in subgraphs"),
        (with_sparse(), 6, "sparse tensors"),
        (scaled(13, 8, functions=[function()]), 8, "model-local functions"),
        (scaled(13, 9, functions=[function(attribute_protos=[helper.make_attribute("a", 1)])]), 9, "default values of"),
        (scaled(13, 10, functions=[function(overload="x")]), 10, "overloaded functions"),
        (typed(TensorProto.BFLOAT16), 4, "values of type bfloat16"),
        (typed(TensorProto.FLOAT8E5M2), 9, "values of type float8e5m2"),
        (typed(TensorProto.INT4), 10, "values of type int4"),
        (typed(TensorProto.FLOAT4E2M1), 11, "values of type float4e2m1"),
    ],
)
def test_what_came_with_a_newer_ir_version_keeps_it(model: ModelProto, ir: int, feature: str) -> None:
    needed, why = needed_ir(model)
    assert needed == ir
    assert why.startswith(feature)
    if feature:
        with pytest.raises(OpsetError, match=f"IR version {ir - 1} does not hold {feature}.*IR version {ir}"):
            convert_version(model, 13, ir=ir - 1)


def test_functions_and_constants_in_subgraphs_keep_their_ir_version_on_the_way_down() -> None:
    assert convert_version(branches(), 8).ir_version == 4
    assert convert_version(calling(), 8).ir_version == 8


def test_imports_of_domains_that_no_node_uses_go() -> None:
    model = calling()
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    model.functions[0].opset_import.append(helper.make_opsetid("com.example", 1))
    converted = convert_version(model, 12)
    assert [entry.domain for entry in converted.opset_import] == ["", "local"]
    assert [entry.domain for entry in converted.functions[0].opset_import] == [""]
    assert convert_version(model, 13) == model


def test_value_info_of_values_that_are_gone_goes() -> None:
    model = scaled(13, 7)
    for name in ("m", "gone"):
        model.graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3, 4]))
    assert [value.name for value in convert_version(model, 12).graph.value_info] == ["m"]


def test_a_model_that_stays_at_its_opset_keeps_its_bytes_even_where_ir_3_asks_for_more_inputs() -> None:
    model = scaled(8, 4)
    model.ir_version = 3
    assert convert_version(model, 8) == model


def test_an_ir_version_that_onnx_does_not_know_is_refused() -> None:
    text = "g (float[1] x) => (float[1] y) { y = Relu (x) }"
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {text}')
    with pytest.raises(OpsetError, match=f"IR version 99 does not exist: give one up to {IR_VERSION}"):
        convert_version(model, 17, ir=99)
