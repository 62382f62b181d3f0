"""Pad that wraps around, as exporters write it and as ONNX Runtime computes it."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, helper, numpy_helper

from tests.opset_upgrade.nodes import OLD_ONNX_RUNTIME
from zoosmith.opset_upgrade import OpsetError, convert_version

X = np.arange(5, dtype=np.float32)
PADS = [(2, 1), (-1, 2), (2, -1), (-2, -1), (-3, 3), (3, -2)]
if not OLD_ONNX_RUNTIME:  # which repeats the first element where pads are longer than the axis
    PADS += [(6, 7), (-1, 6)]


def wrapping(opset: int, shape: list[Any], pads: tuple[int, int] | None) -> ModelProto:
    """Pad of x by `pads`, or by those that are given at run time."""
    ports = [helper.make_tensor_value_info("x", 1, shape)]
    tensors = [numpy_helper.from_array(np.array(pads), "p")] if pads else []
    if not pads:
        ports.append(helper.make_tensor_value_info("p", 7, [2]))
    node = helper.make_node("Pad", ["x", "p"], ["y"], mode="wrap")
    graph = helper.make_graph([node], "g", ports, [helper.make_tensor_value_info("y", 1, None)], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def padded(model: ModelProto, **feeds: np.ndarray) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": X, **feeds})[0]


@pytest.mark.parametrize("pads", PADS)
@pytest.mark.parametrize("shape", [[5], ["n"]])
@pytest.mark.parametrize("source", [19, 18, 17, 11])
def test_wrapping_is_a_gathering_before_opset_19(source: int, shape: list[Any], pads: tuple[int, int]) -> None:
    expected = padded(wrapping(19, shape, pads))
    for target in (17, 12, 11, 10):
        if target < source and (target > 10 or shape == [5]):
            converted = convert_version(wrapping(source, shape, pads), target)
            assert "Pad" not in [node.op_type for node in converted.graph.node]
            np.testing.assert_array_equal(padded(converted), expected)


@pytest.mark.parametrize("pads", PADS)
@pytest.mark.parametrize("target", [18, 11, 9])
def test_pads_below_0_that_the_run_names_cut_off_before_the_rest_wraps(target: int, pads: tuple[int, int]) -> None:
    model, given = wrapping(19, [5], None), np.array(pads)
    stated = helper.make_tensor_value_info("y", 1, [5 + sum(pads)])
    model.graph.output[0].CopyFrom(stated)
    np.testing.assert_array_equal(padded(convert_version(model, target), p=given), padded(model, p=given))


def test_what_states_wrapping_before_opset_19_keeps_it_on_the_way_up() -> None:
    model = wrapping(18, [5], (1, 1))
    assert convert_version(model, 20).graph.node[0] == model.graph.node[0]


def test_pads_that_leave_nothing_to_repeat_are_refused() -> None:
    with pytest.raises(OpsetError, match=r"pads \(-5, 2\) leave nothing of an axis of 5"):
        convert_version(wrapping(19, [5], (-5, 2)), 18)
