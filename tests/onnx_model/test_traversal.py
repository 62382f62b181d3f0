"""What a model holds is found wherever it can stand: in subgraphs, in model-local functions, in attributes."""

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from zoosmith.onnx_model.constants import constant_value
from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.ports import Port, input_ports, output_ports, symbolic_sizes, tensor_shape
from zoosmith.onnx_model.traversal import all_graphs, all_nodes, all_tensors, read_names


def tensor(name: str) -> TensorProto:
    return numpy_helper.from_array(np.ones(2, np.float32), name)


def model_with_everything() -> ModelProto:
    branch = helper.make_graph(
        [helper.make_node("Add", ["outer", "in_branch"], ["branch_result"], name="adds")],
        "branch",
        [],
        [helper.make_tensor_value_info("branch_result", TensorProto.FLOAT, [2])],
        initializer=[tensor("in_branch")],
    )
    nodes = [
        helper.make_node("If", ["condition"], ["y"], then_branch=branch, else_branch=branch),
        helper.make_node("Constant", [], ["outer"], value=tensor("")),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("condition", TensorProto.BOOL, ["N", 3, None])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
        initializer=[tensor("condition")],
    )
    body = [helper.make_node("Constant", [], ["inside"], value=tensor(""))]
    function = helper.make_function("local", "F", [], ["inside"], body, [helper.make_opsetid("", 17)])
    return helper.make_model(graph, functions=[function], opset_imports=[helper.make_opsetid("", 17)])


def test_graphs_and_nodes_of_subgraphs_and_functions_are_visited_outer_first() -> None:
    model = model_with_everything()
    assert [graph.name for graph in all_graphs(model)] == ["g", "branch", "branch"]
    assert [node.op_type for node in all_nodes(model)] == ["If", "Add", "Add", "Constant", "Constant"]


def test_tensors_are_found_in_initializers_attributes_subgraphs_and_functions() -> None:
    names = sorted(each.name for each in all_tensors(model_with_everything()))
    assert names == ["", "", "condition", "in_branch", "in_branch"]


def test_a_node_reads_what_its_subgraphs_read() -> None:
    node = model_with_everything().graph.node[0]
    assert read_names(node) == {"condition", "outer", "in_branch", "branch_result"}


def test_a_fresh_name_is_one_that_not_even_a_subgraph_or_a_function_bears() -> None:
    names = Names(model_with_everything(), more=["taken"])
    assert names.fresh("new") == "new"
    assert names.fresh("new") == "new_2"
    assert names.fresh("in_branch") == "in_branch_2"
    assert names.fresh("inside") == "inside_2"
    assert names.fresh("adds") == "adds_2"
    assert names.fresh("taken") == "taken_2"


def test_ports_have_kind_type_shape_and_whether_they_are_required() -> None:
    graph = model_with_everything().graph
    assert input_ports(graph) == [Port("condition", "tensor", TensorProto.BOOL, ("N", 3, None), required=False)]
    assert output_ports(graph) == [Port("y", "tensor", TensorProto.FLOAT, (2,))]
    assert symbolic_sizes(input_ports(graph)) == ["N"]


def test_a_negative_size_is_an_unknown_one() -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [-1, 4])
    assert tensor_shape(value.type) == (None, 4)


def test_both_spellings_of_onnx_own_domain_are_known() -> None:
    model = model_with_everything()
    assert default_opset(model) == 17
    model.opset_import[0].domain = "ai.onnx"
    assert default_opset(model) == 17
    model.opset_import[0].domain = "other"
    assert default_opset(model) is None


def test_constants_have_a_value_in_each_of_the_forms_of_the_attribute() -> None:
    def value(**attributes: object) -> list | float:
        found = constant_value(helper.make_node("Constant", [], ["c"], **attributes))
        assert found is not None
        return found.tolist()

    assert value(value=tensor("")) == [1, 1]
    assert value(value_float=2.0) == 2
    assert value(value_ints=[1, 2]) == [1, 2]
    assert constant_value(helper.make_node("Identity", ["x"], ["y"])) is None
