"""What a model says beside what it computes stays."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper

from zoosmith.optimize import OptimizeError, optimize


def noted(message: Any) -> Any:
    message.metadata_props.add(key="origin", value=f"{type(message).__name__} {message.name}")
    return message


def model(*, folded: bool = False) -> ModelProto:
    """A convolution with a Relu; with `folded`, a Mul between them that becomes part of the convolution."""
    port = helper.make_tensor_value_info
    nodes = [noted(helper.make_node("Conv", ["x", "w"], ["c"], name="conv", doc_string="the only one"))]
    if folded:
        nodes.append(noted(helper.make_node("Mul", ["c", "two"], ["m"], name="mul")))
    nodes.append(noted(helper.make_node("Relu", [nodes[-1].output[0]], ["y"], name="relu")))
    parameters = {"w": np.ones((2, 3, 1, 1), np.float32), "two": np.full((1, 2, 1, 1), 2, np.float32)}
    graph = helper.make_graph(
        nodes,
        "g",
        [noted(port("x", 1, [1, 3, 4, 4]))],
        [noted(port("y", 1, [1, 2, 4, 4]))],
        [noted(numpy_helper.from_array(parameters[name], name)) for name in ("w", "two")[: 1 + folded]],
    )
    result = helper.make_model(noted(graph), opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    step = helper.make_graph([helper.make_node("Identity", ["w"], ["w2"])], "step", [], [port("w2", 1, [2, 3, 1, 1])])
    result.training_info.add(algorithm=step).update_binding.add(key="w", value="w2")
    return result


def test_metadata_and_training_information_of_what_stays_are_kept() -> None:
    given = model()
    made = optimize(given)
    onnx.checker.check_model(made, full_check=True)
    assert list(made.training_info) == list(given.training_info)
    for of_given, of_made in (
        ([given.graph], [made.graph]),
        (given.graph.node, made.graph.node),
        (given.graph.input, made.graph.input),
        (given.graph.output, made.graph.output),
        (given.graph.initializer, made.graph.initializer),
    ):
        assert [list(each.metadata_props) for each in of_made] == [list(each.metadata_props) for each in of_given]
    assert made.graph.node[0].doc_string == "the only one"


def test_training_information_of_weights_that_change_is_refused() -> None:
    with pytest.raises(OptimizeError, match="its training information is of initializer 'w'"):
        optimize(model(folded=True))


def test_a_node_that_takes_in_another_keeps_its_own_metadata() -> None:
    given = model(folded=True)
    given.ClearField("training_info")
    conv, relu = optimize(given).graph.node
    assert [node.metadata_props[0].value for node in (conv, relu)] == ["NodeProto conv", "NodeProto relu"]
