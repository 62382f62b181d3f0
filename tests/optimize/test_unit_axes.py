"""Nodes that add and drop axes of size 1, one after the other."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from zoosmith.optimize import fold_to_ir, to_proto
from zoosmith.validation import OnnxRuntimeRunner

Step = tuple[str, list[int]]


def model(steps: list[Step], shape: list[int | str], opset: int = 13) -> ModelProto:
    """A Relu, nodes of some axes, and a Neg; reductions drop their axes."""
    nodes, constants, value = [helper.make_node("Relu", ["x"], ["0"])], [], "0"
    for number, (op_type, axes) in enumerate(steps, start=1):
        if op_type in ("Squeeze", "Unsqueeze") and opset >= 13:
            constants.append(numpy_helper.from_array(np.array(axes, np.int64), f"axes_{number}"))
            nodes.append(helper.make_node(op_type, [value, f"axes_{number}"], [str(number)]))
        else:
            kept = {} if op_type in ("Squeeze", "Unsqueeze") else {"keepdims": 0}
            nodes.append(helper.make_node(op_type, [value], [str(number)], axes=axes, **kept))
        value = str(number)
    nodes.append(helper.make_node("Neg", [value], ["y"]))
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape), helper.make_empty_tensor_value_info("y")]
    ports[1].type.tensor_type.elem_type = TensorProto.FLOAT
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def between(made: ModelProto) -> list[str]:
    return [node.op_type for node in made.graph.node if node.op_type not in ("Relu", "Neg")]


def assert_same(before: ModelProto, after: ModelProto, *shape: int) -> None:
    onnx.checker.check_model(after, full_check=True)
    values = {"x": np.arange(np.prod(shape), dtype=np.float32).reshape(shape) - 3}
    first, second = (OnnxRuntimeRunner(each).run(values)["y"] for each in (before, after))
    np.testing.assert_array_equal(second, first)


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ([("Squeeze", [0]), ("Unsqueeze", [0])], []),
        ([("Unsqueeze", [1]), ("Squeeze", [1])], []),
        ([("Unsqueeze", [-1]), ("Unsqueeze", [0])], ["Unsqueeze"]),
        ([("Squeeze", [2]), ("Squeeze", [0])], ["Squeeze"]),
        ([("Squeeze", [2]), ("Unsqueeze", [0])], ["Transpose"]),
        ([("Squeeze", [0, 2]), ("Unsqueeze", [1])], ["Squeeze"]),
        ([("Squeeze", [0]), ("Unsqueeze", [0]), ("Unsqueeze", [0])], ["Unsqueeze"]),
        ([("Squeeze", [0]), ("ReduceMean", [1]), ("Unsqueeze", [1])], ["Squeeze"]),
    ],
)
def test_two_nodes_of_unit_axes_become_one_or_none(steps: list[Step], left: list[str]) -> None:
    given_model = model(steps, [1, 3, 1])
    found = to_proto(fold_to_ir(given_model))
    assert between(found) == left
    assert_same(given_model, found, 1, 3, 1)


def test_axes_are_attributes_before_opset_13() -> None:
    given_model = model([("Unsqueeze", [0]), ("Unsqueeze", [1])], [2, 3], opset=11)
    found = to_proto(fold_to_ir(given_model))
    assert between(found) == ["Unsqueeze"]
    assert_same(given_model, found, 2, 3)


def test_an_axis_of_open_size_is_not_taken_for_one_of_size_1() -> None:
    """Squeeze refuses what is of another size; without it the model would go on."""
    given_model = model([("Squeeze", [0]), ("Unsqueeze", [0])], ["n", 3])
    assert between(to_proto(fold_to_ir(given_model))) == ["Squeeze", "Unsqueeze"]


def test_a_reduction_of_an_axis_of_another_size_stays() -> None:
    given_model = model([("ReduceMean", [1]), ("Unsqueeze", [1])], [2, 3])
    assert between(to_proto(fold_to_ir(given_model))) == ["ReduceMean", "Unsqueeze"]


def test_a_value_that_something_else_reads_stays() -> None:
    given_model = model([("Squeeze", [0]), ("Unsqueeze", [1])], [1, 3, 2])
    given_model.graph.output.append(helper.make_tensor_value_info("1", TensorProto.FLOAT, [3, 2]))
    found = to_proto(fold_to_ir(given_model))
    assert {value.name for value in found.graph.output} == {"y", "1"}
    assert_same(given_model, found, 1, 3, 2)


def test_a_gather_of_one_index_keeps_the_axis_that_is_put_back() -> None:
    nodes = [
        helper.make_node("Gather", ["x", "i"], ["a"], axis=1),
        helper.make_node("Unsqueeze", ["a", "axes"], ["b"]),
        helper.make_node("Neg", ["b"], ["y"]),
    ]
    given_model = model([], [2, 3])
    del given_model.graph.node[:]
    given_model.graph.node.extend(nodes)
    for name, value in (("i", np.array(2)), ("axes", np.array([1]))):
        given_model.graph.initializer.append(numpy_helper.from_array(value.astype(np.int64), name))
    found = to_proto(fold_to_ir(given_model))
    assert between(found) == ["Gather"]
    assert_same(given_model, found, 2, 3)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_row_of_such_nodes_computes_the_same(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.sampled_from([1, 1, 2, 3]), min_size=1, max_size=3))
    now, steps = list(sizes), []
    for _ in range(data.draw(st.integers(1, 4))):
        units = [axis for axis, size in enumerate(now) if size == 1]
        if units and data.draw(st.booleans()):
            axis = data.draw(st.sampled_from(units))
            steps.append((data.draw(st.sampled_from(["Squeeze", "ReduceMax"])), [axis]))
            del now[axis]
        else:
            axis = data.draw(st.integers(0, len(now)))
            steps.append(("Unsqueeze", [axis]))
            now.insert(axis, 1)
    given_model = model(steps, list(sizes))
    found = to_proto(fold_to_ir(given_model))
    assert len(found.graph.node) <= len(given_model.graph.node)
    assert_same(given_model, found, *sizes)
