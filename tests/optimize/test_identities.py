"""Identities go, but where a graph needs one."""

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from tests.optimize.nets import op_types
from zoosmith.optimize import fold_to_ir, to_proto
from zoosmith.validation import OnnxRuntimeRunner


def port(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])


def model(nodes: list[onnx.NodeProto], *outputs: str) -> ModelProto:
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    graph = helper.make_graph(nodes, "g", [port("x"), condition], [port(name) for name in outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def assert_same(before: ModelProto, after: ModelProto) -> None:
    onnx.checker.check_model(after, full_check=True)
    assert [value.name for value in after.graph.output] == [value.name for value in before.graph.output]
    for condition in (True, False):
        inputs = {"x": np.array([-1, 2], np.float32), "c": np.array(condition)}
        first, second = (OnnxRuntimeRunner(each).run(inputs) for each in (before, after))
        for name, value in first.items():
            np.testing.assert_array_equal(second[name], value)


def test_an_identity_between_nodes_goes_and_an_output_keeps_its_name() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Neg", ["b"], ["d"]),
        helper.make_node("Identity", ["d"], ["y"]),
    ]
    found = to_proto(fold_to_ir(model(nodes, "y")))
    assert op_types(found) == ["Relu", "Neg"]
    assert_same(model(nodes, "y"), found)


def test_an_identity_that_makes_an_output_of_an_input_or_of_another_output_stays() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("Identity", ["y"], ["z"]),
        helper.make_node("Identity", ["x"], ["w"]),
    ]
    found = to_proto(fold_to_ir(model(nodes, "y", "z", "w")))
    assert op_types(found) == ["Relu", "Identity", "Identity"]
    assert_same(model(nodes, "y", "z", "w"), found)


def test_a_branch_that_gives_a_value_of_the_outer_graph_keeps_its_identity() -> None:
    then_branch = helper.make_graph([helper.make_node("Identity", ["y"], ["t"])], "then", [], [port("t")])
    inner = [helper.make_node("Neg", ["y"], ["n"]), helper.make_node("Identity", ["n"], ["e"])]
    else_branch = helper.make_graph(inner, "else", [], [port("e")])
    nodes = [
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("If", ["c"], ["z"], then_branch=then_branch, else_branch=else_branch),
    ]
    found = to_proto(fold_to_ir(model(nodes, "y", "z")))
    branches = {attribute.name: attribute.g for attribute in found.graph.node[1].attribute}
    assert [node.op_type for node in branches["then_branch"].node] == ["Identity"]
    assert [node.op_type for node in branches["else_branch"].node] == ["Neg"]
    assert_same(model(nodes, "y", "z"), found)
