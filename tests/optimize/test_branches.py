"""Branches of If of which it is known which one is taken."""

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.optimize.nets import op_types
from zoosmith.optimize import fold_to_ir, to_proto
from zoosmith.validation import OnnxRuntimeRunner, ValidationError

FLOAT = TensorProto.FLOAT
Shape = list[int | str]


def open_value(name: str) -> onnx.ValueInfoProto:
    result = helper.make_empty_tensor_value_info(name)
    result.type.tensor_type.elem_type = FLOAT
    return result


def branch(name: str, *nodes: NodeProto) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), name, [], [open_value(nodes[-1].output[0])])


def squeeze_where_one(source: str, output: str, axis: int) -> list[NodeProto]:
    """What PyTorch exports for `source.squeeze(axis)` of an open size."""
    then_branch = branch("then", helper.make_node("Squeeze", [source, "axis"], ["dropped"]))
    else_branch = branch("else", helper.make_node("Identity", [source], ["kept"]))
    return [
        helper.make_node("Constant", [], ["axis"], value_ints=[axis]),
        helper.make_node("Constant", [], ["one"], value_ints=[1]),
        helper.make_node("Shape", [source], ["shape"]),
        helper.make_node("Gather", ["shape", "axis"], ["size"]),
        helper.make_node("Equal", ["size", "one"], ["is_one"]),
        helper.make_node("If", ["is_one"], [output], then_branch=then_branch, else_branch=else_branch),
    ]


def model(nodes: list[NodeProto], shape: Shape, **constants: np.ndarray) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [open_value("y")],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def recurrent(shape: Shape) -> ModelProto:
    """x without its last axis, where that is 1, as the one step of an LSTM."""
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=(1, 8, 2)).astype(np.float32) for name in ("W", "R")}
    nodes = [
        *squeeze_where_one("x", "rows", -1),
        helper.make_node("Unsqueeze", ["rows", "zero"], ["steps"]),
        helper.make_node("LSTM", ["steps", "W", "R"], ["y"], hidden_size=2),
    ]
    return model(nodes, shape, zero=np.array([0]), **weights)


def assert_same(before: ModelProto, after: ModelProto, *shape: int) -> None:
    onnx.checker.check_model(after, full_check=True)
    values = {"x": np.random.default_rng(1).normal(size=shape).astype(np.float32)}
    first, second = (OnnxRuntimeRunner(each).run(values)["y"] for each in (before, after))
    np.testing.assert_array_equal(second, first)


@pytest.mark.parametrize(("size", "kind"), [(1, "Squeeze"), (3, "Identity")])
def test_the_branch_for_a_known_size_takes_the_place_of_its_if(size: int, kind: str) -> None:
    given = model(squeeze_where_one("x", "y", 1), ["n", size])
    found = to_proto(fold_to_ir(given))
    assert op_types(found) == [kind]
    values = {"x": np.arange(2 * size, dtype=np.float32).reshape(2, size)}
    wanted = values["x"][:, 0] if size == 1 else values["x"]
    np.testing.assert_array_equal(OnnxRuntimeRunner(found).run(values)["y"], wanted)


def test_values_of_the_same_name_in_two_branches_get_names_of_their_own() -> None:
    first, second = squeeze_where_one("x", "a", 1), squeeze_where_one("a", "y", 1)
    given = model([*first, *second[2:]], [2, 1, 1, 3])
    for node, name in zip(given.graph.node[6:9], ("shape_2", "size_2", "is_one_2"), strict=True):
        node.output[0] = name
    given.graph.node[7].input[0], given.graph.node[8].input[0], given.graph.node[9].input[0] = (
        "shape_2",
        "size_2",
        "is_one_2",
    )
    found = to_proto(fold_to_ir(given))
    assert "If" not in op_types(found)
    assert_same(given, found, 2, 1, 1, 3)


def test_a_squeeze_without_which_nothing_runs_stands_without_its_condition() -> None:
    given = recurrent(["n", 2, "steps"])
    found = to_proto(fold_to_ir(given))
    assert op_types(found) == ["Squeeze", "Unsqueeze", "LSTM"]
    assert_same(given, found, 3, 2, 1)
    # both refuse what is not of size 1 there
    for refused in (given, found):
        with pytest.raises(ValidationError):
            OnnxRuntimeRunner(refused).run({"x": np.zeros((3, 2, 4), np.float32)})


def test_a_condition_that_both_branches_fulfil_at_run_time_stays() -> None:
    nodes = [*squeeze_where_one("x", "a", 1), helper.make_node("Reshape", ["a", "all"], ["y"])]
    given = model(nodes, ["n", "m"], all=np.array([-1]))
    found = to_proto(fold_to_ir(given))
    assert "If" in op_types(found)
    for columns in (1, 3):
        assert_same(given, found, 2, columns)


def test_a_condition_on_another_axis_than_the_one_that_is_dropped_stays() -> None:
    given = recurrent(["n", 2, "steps"])
    [chosen] = [node for node in given.graph.node if node.op_type == "Gather"]
    chosen.input[1] = "zero"
    assert "If" in op_types(to_proto(fold_to_ir(given)))


def test_branches_of_one_node_without_inputs_stay() -> None:
    branches = {
        f"{name}_branch": branch(name, helper.make_node("Constant", [], [name], value_floats=[value]))
        for name, value in (("then", 1.0), ("else", 2.0))
    }
    nodes = [helper.make_node("Cast", ["x"], ["taken"], to=TensorProto.BOOL)]
    given = model([*nodes, helper.make_node("If", ["taken"], ["y"], **branches)], [1])
    assert "If" in op_types(to_proto(fold_to_ir(given)))
