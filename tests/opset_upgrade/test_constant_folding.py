"""What constants come to is computed, unless it is out of all proportion to them."""

import numpy as np
import pytest
from onnx import NodeProto, helper

from zoosmith.opset_upgrade import constant_folding
from zoosmith.opset_upgrade.constant_folding import SMALL, fold


def folded(node: NodeProto, opset: int, **values: np.ndarray) -> np.ndarray | None:
    return fold(node, opset, lambda name: values[name].shape, values.get, SMALL)["y"]


def test_constants_are_computed() -> None:
    node = helper.make_node("Range", ["a", "b", "c"], ["y"])
    assert folded(node, 13, a=np.int64(0), b=np.int64(3), c=np.int64(1)).tolist() == [0, 1, 2]
    add = helper.make_node("Add", ["a", "b"], ["y"])
    vector = np.arange(5000, dtype=np.float32)
    np.testing.assert_array_equal(folded(add, 13, a=vector, b=vector), 2 * vector)


@pytest.mark.parametrize(("operator", "shape"), [("LogSoftmax", (2, 3)), ("LRN", (1, 2, 3, 4))])
def test_what_the_reference_evaluator_computes_wrong_is_left_to_the_runtime(
    operator: str, shape: tuple[int, ...]
) -> None:
    node = helper.make_node(operator, ["x"], ["y"], **({"size": 3} if operator == "LRN" else {}))
    assert folded(node, 13, x=np.full(shape, 1e4, np.float32)) is None


def test_a_flag_that_is_neither_0_nor_1_is_left_to_the_runtime() -> None:
    data = np.eye(3, dtype=np.float32)
    assert folded(helper.make_node("ArgMax", ["x"], ["y"], keepdims=1), 13, x=data).tolist() == [[0, 1, 2]]
    assert folded(helper.make_node("ArgMax", ["x"], ["y"], keepdims=-1), 13, x=data) is None


HUGE = np.array([2**33], np.int64)
LARGE = {
    "Range": (helper.make_node("Range", ["a", "b", "c"], ["y"]), 13, (np.int64(0), np.int64(2**33), np.int64(1))),
    "Expand": (helper.make_node("Expand", ["a", "b"], ["y"]), 13, (np.float32([1]), HUGE)),
    "Tile": (helper.make_node("Tile", ["a", "b"], ["y"]), 13, (np.float32([1]), HUGE)),
    "ConstantOfShape": (helper.make_node("ConstantOfShape", ["a"], ["y"]), 13, (HUGE,)),
    "Pad": (helper.make_node("Pad", ["a", "b"], ["y"]), 13, (np.float32([1]), np.array([0, 2**33], np.int64))),
    "OneHot": (
        helper.make_node("OneHot", ["a", "b", "c"], ["y"]),
        13,
        (np.array([1], np.int64), HUGE, np.float32([0, 1])),
    ),
    "Resize": (
        helper.make_node("Resize", ["a", "", "", "b"], ["y"], mode="nearest"),
        13,
        (np.zeros((1, 1), np.float32), np.array([1, 2**33], np.int64)),
    ),
    "Conv": (
        helper.make_node("Conv", ["a", "b"], ["y"], pads=[2**30, 2**30]),
        13,
        (np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32)),
    ),
    "Add": (
        helper.make_node("Add", ["a", "b"], ["y"]),
        13,
        (np.zeros((SMALL, 1), np.float32), np.zeros((1, SMALL), np.float32)),
    ),
    "MatMul": (
        helper.make_node("MatMul", ["a", "b"], ["y"]),
        13,
        (np.zeros((SMALL, 1), np.float32), np.zeros((1, SMALL), np.float32)),
    ),
}


@pytest.mark.parametrize("operator", LARGE)
def test_what_small_constants_make_large_is_not_computed(operator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constant_folding, "_run", lambda *_: pytest.fail("it was computed"))
    node, opset, values = LARGE[operator]
    assert folded(node, opset, **dict(zip("abc", map(np.asarray, values), strict=False))) is None
