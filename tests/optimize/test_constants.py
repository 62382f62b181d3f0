"""What is computed of constants alone, and the sizes of values of known shape, become constants."""

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.attacks.model_building import INT64, constant, model, node, value
from zoosmith.optimize import to_ir, to_proto
from zoosmith.optimize.passes.constants import FoldConstants
from zoosmith.validation import OnnxRuntimeRunner


def folded(source: onnx.ModelProto) -> onnx.ModelProto:
    made = to_ir(source)
    FoldConstants()(made)
    return to_proto(made)


@pytest.mark.parametrize(
    ("kind", "operands", "attributes"),
    [
        ("Add", [np.float32([1, 2]), np.float32([3, 4])], {}),
        ("Div", [np.float32([1, 2]), np.float32([3, 0])], {}),
        ("Div", [np.int64([7, 9]), np.int64([2, 4])], {}),
        ("Div", [np.int64([-7, 9]), np.int64([2, -4])], {}),
        ("Gather", [np.int64([[1, 2], [3, 4]]), np.int64([-1])], {"axis": 1}),
        ("Slice", [np.int64([1, 2, 3, 4]), np.int64([-1]), np.int64([-9]), np.int64([0]), np.int64([-2])], {}),
        ("Cast", [np.float32([1.7, -1.7])], {"to": 7}),
        ("Concat", [np.int64([1]), np.int64([2])], {"axis": 0}),
        ("ConstantOfShape", [np.int64([2, 2])], {}),
        ("Range", [np.int64(0), np.int64(5), np.int64(2)], {}),
        ("Unsqueeze", [np.float32([1, 2]), np.int64([0, 2])], {}),
        ("ReduceProd", [np.float32([[2, 3]])], {"axes": [1], "keepdims": 0}),
        ("Where", [np.array([True, False]), np.float32([1, 2]), np.float32([3, 4])], {}),
    ],
)
def test_an_operator_of_constants_gives_what_onnx_runtime_gives(
    kind: str, operands: list[np.ndarray], attributes: dict[str, object]
) -> None:
    names = [f"c{k}" for k in range(len(operands))]
    weights = [
        onnx.numpy_helper.from_array(np.asarray(array), name) for array, name in zip(operands, names, strict=True)
    ]
    source = model([node(kind, names, ["m"], **attributes), node("Identity", ["m"])], weights=weights)
    source.graph.output[0].CopyFrom(helper.make_empty_tensor_value_info("y"))
    del source.graph.input[:]
    wanted = OnnxRuntimeRunner(source).run({})["y"]
    result = folded(source)
    np.testing.assert_array_equal(OnnxRuntimeRunner(result).run({})["y"], wanted)
    assert OnnxRuntimeRunner(result).run({})["y"].dtype == wanted.dtype


def test_shape_and_size_of_a_known_shape_are_constants_and_others_stay() -> None:
    nodes = [node("Shape", ["x"], ["s"]), node("Size", ["x"], ["n"]), node("Add", ["s", "n"])]
    known = model(nodes, [value("x", (2, 3))], [value("y", [2], 7)])
    assert [each.op_type for each in folded(known).graph.node] == ["Add"]
    open_ = model(nodes, [value("x", ("N", 3))], [value("y", [2], 7)])
    assert [each.op_type for each in folded(open_).graph.node] == ["Shape", "Size", "Add"]


def test_a_size_that_int64_does_not_hold_is_left_to_whoever_runs_it() -> None:
    given = model([node("Size")], [value("x", [2, 4, 2**62])], [value("y", [], INT64)])
    assert [each.op_type for each in folded(given).graph.node] == ["Size"]


def test_what_would_be_large_or_cannot_be_computed_stays() -> None:
    for kind, operands in {
        "ConstantOfShape": [constant("a", [1 << 10, 1 << 10])],
        "Expand": [constant("a", [1.0], "f"), constant("b", [1 << 20])],
        "Tile": [constant("a", [1.0], "f"), constant("b", [1 << 20])],
        "Range": [constant("a", 0), constant("b", 1 << 40), constant("c", 1)],
        "Gather": [constant("a", [1, 2]), constant("b", [7])],
    }.items():
        source = model([node(kind, [each.name for each in operands], ["m"]), node("Identity", ["m"])], weights=operands)
        source.graph.output[0].CopyFrom(helper.make_empty_tensor_value_info("y"))
        assert kind in {each.op_type for each in folded(source).graph.node}
