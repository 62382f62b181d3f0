"""Copies among the nodes that replace a node."""

from onnx import helper

from zoosmith.onnx_model.names import Names
from zoosmith.opset_upgrade.cleanup import clean_up
from zoosmith.opset_upgrade.graph_facts import GraphFacts


def test_a_value_of_two_copies_has_one_name_for_all_that_read_it() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Identity", ["a"], ["y"]),
        helper.make_node("Neg", ["b"], ["z"]),
    ]
    graph = helper.make_graph([], "g", [helper.make_tensor_value_info("x", 1, [2])], [])
    facts = GraphFacts(graph, Names(helper.make_model(graph)), 13, None, dict)
    for node in nodes:
        facts.add_producer(node, 13)
    cleaned = clean_up(nodes, ["y", "z"], facts)
    assert [(node.op_type, *node.input, *node.output) for node in cleaned] == [("Relu", "x", "y"), ("Neg", "y", "z")]
