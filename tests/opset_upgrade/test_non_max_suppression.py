"""NonMaxSuppression below the opset that brought it, against ONNX Runtime's kernel."""

from typing import Any

import numpy as np
import pytest
from onnx import checker, helper
from onnxruntime import InferenceSession

from zoosmith.opset_upgrade import convert_version


def _boxes(random: np.random.RandomState, batch: int, count: int, centred: bool) -> np.ndarray:
    centres, lengths = random.uniform(0, 4, (batch, count, 2)), random.uniform(0, 3, (batch, count, 2))
    if centred:
        return np.concatenate([centres, lengths], -1).astype(np.float32)
    corners = [centres - lengths / 2, centres + lengths / 2]
    return np.concatenate(corners[:: random.choice([1, -1])], -1).astype(np.float32)


@pytest.mark.parametrize("given", [2, 3, 4, 5])
@pytest.mark.parametrize("centred", [0, 1])
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("sizes", [(1, 1, 6), (1, 1, 40), (2, 3, 20), (2, 2, 1), (1, 2, 0)])
def test_the_boxes_that_stay_are_those_of_the_operator(
    given: int, centred: int, sizes: tuple[int, int, int], fixed: bool
) -> None:
    batch, classes, count = sizes
    random = np.random.RandomState(count)
    scores = random.uniform(0, 1, (batch, classes, count)).astype(np.float32).round(1)  # with ties
    values: list[Any] = [_boxes(random, batch, count, bool(centred)), scores]
    values += [np.array([4]), np.array([0.3], np.float32), np.array([0.25], np.float32)]
    shapes: list[list[Any]] = [["B", "N", 4], ["B", "C", "N"], [1], [1], [1]]
    if fixed:
        shapes[:2] = [[batch, count, 4], [batch, classes, count]]
    ports = [
        helper.make_tensor_value_info(f"x{k}", 7 if k == 2 else 1, shape) for k, shape in enumerate(shapes[:given])
    ]
    node = helper.make_node("NonMaxSuppression", [port.name for port in ports], ["y"], center_point_box=centred)
    graph = helper.make_graph([node], "g", ports, [helper.make_tensor_value_info("y", 7, ["K", 3])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    feeds = {port.name: value for port, value in zip(ports, values, strict=False)}
    expected = InferenceSession(model.SerializeToString()).run(None, feeds)[0]
    for target in (9,):
        lowered = convert_version(model, target)
        checker.check_model(lowered, full_check=True)
        found = InferenceSession(lowered.SerializeToString()).run(None, feeds)[0]
        np.testing.assert_array_equal(found, expected)


def test_few_boxes_are_compared_at_once_and_a_round_of_the_loop_is_short() -> None:
    node = helper.make_node("NonMaxSuppression", ["b", "s", "most", "overlap"], ["y"])
    ports = [helper.make_tensor_value_info(name, 1, shape) for name, shape in (("b", [1, 20, 4]), ("s", [1, 1, 20]))]
    constants = [helper.make_tensor("most", 7, [1], [100]), helper.make_tensor("overlap", 1, [1], [0.5])]
    graph = helper.make_graph([node], "g", ports, [helper.make_tensor_value_info("y", 7, ["K", 3])], constants)
    lowered = convert_version(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), 9)
    (loop,) = (each for each in lowered.graph.node if each.op_type == "Loop")
    assert len(loop.attribute[0].g.node) == 6
    assert sum(each.op_type != "Constant" for each in lowered.graph.node) < 35
