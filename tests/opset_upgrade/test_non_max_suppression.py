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
@pytest.mark.parametrize("sizes", [(1, 1, 6), (2, 3, 20), (2, 2, 1), (1, 2, 0)])
def test_the_boxes_that_stay_are_those_of_the_operator(given: int, centred: int, sizes: tuple[int, int, int]) -> None:
    batch, classes, count = sizes
    random = np.random.RandomState(count)
    scores = random.uniform(0, 1, (batch, classes, count)).astype(np.float32).round(1)  # with ties
    values: list[Any] = [_boxes(random, batch, count, bool(centred)), scores]
    values += [np.array([4]), np.array([0.3], np.float32), np.array([0.25], np.float32)]
    shapes = [["B", "N", 4], ["B", "C", "N"], [1], [1], [1]]
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
