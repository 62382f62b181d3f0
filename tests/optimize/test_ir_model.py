"""Models become onnx-ir models and messages again without a change of what they compute."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.parser import parse_model

from tests.optimize.nets import Net, dense_block
from zoosmith.optimize import OptimizeError, to_ir, to_proto


def test_constant_nodes_and_inputs_with_a_value_become_initializers_alone() -> None:
    model = parse_model(
        """<ir_version: 3, opset_import: ["": 13]>
        agraph (float[2] x, float[1] two) => (float[2] y) <float[1] two = {2.0}> {
            three = Constant<value_floats = [3.0]>()
            a = Mul(x, two)
            y = Mul(a, three)
        }"""
    )
    result = to_proto(to_ir(model))
    onnx.checker.check_model(result, full_check=True)
    assert [node.op_type for node in result.graph.node] == ["Mul", "Mul"]
    assert [value.name for value in result.graph.input] == ["x"]
    assert [(tensor.name, *numpy_helper.to_array(tensor)) for tensor in result.graph.initializer] == [
        ("two", 2.0),
        ("three", 3.0),
    ]
    assert result.ir_version == 4


def test_only_initializers_that_are_read_are_written_in_order_of_first_use() -> None:
    net = Net([1, 3, 8, 8])
    for name in ("unused", "last", "first"):
        net.constant(np.ones((3, 1, 1), np.float32), name)
    model = net.model(net.add("Mul", net.add("Add", "data", "first"), "last"))
    assert [tensor.name for tensor in to_proto(to_ir(model)).graph.initializer] == ["first", "last"]


def test_what_only_a_subgraph_reads_is_written_too() -> None:
    net = Net(["N"])
    net.constant(np.array(True), "condition")
    net.constant(np.array([2.0], np.float32), "two")
    branch = helper.make_graph(
        [helper.make_node("Neg", ["two"], ["made"])],
        "branch",
        [],
        [helper.make_tensor_value_info("made", onnx.TensorProto.FLOAT, [1])],
    )
    other = helper.make_graph(
        [helper.make_node("Abs", ["two"], ["other"])],
        "other",
        [],
        [helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, [1])],
    )
    model = net.model(net.add("Mul", "data", net.add("If", "condition", then_branch=branch, else_branch=other)))
    result = to_proto(to_ir(model))
    onnx.checker.check_model(result, full_check=True)
    assert [tensor.name for tensor in result.graph.initializer] == ["condition", "two"]


def test_the_round_trip_keeps_nodes_and_values_and_leaves_the_original_alone() -> None:
    model = dense_block()
    before = model.SerializeToString(deterministic=True)
    result = to_proto(to_ir(model))
    assert list(result.graph.node) == list(model.graph.node)
    tensors = [
        {tensor.name: numpy_helper.to_array(tensor) for tensor in one.graph.initializer} for one in (model, result)
    ]
    assert tensors[0].keys() == tensors[1].keys()
    assert all(np.array_equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    assert model.SerializeToString(deterministic=True) == before


def test_tensors_of_every_width_keep_their_bytes() -> None:
    net = Net([1])
    kinds = [onnx.TensorProto.BFLOAT16, onnx.TensorProto.INT4, onnx.TensorProto.FLOAT8E4M3FN, onnx.TensorProto.BOOL]
    for kind in kinds:
        name = onnx.TensorProto.DataType.Name(kind)
        net.initializers.append(helper.make_tensor(name, kind, [3], [1, 0, 1]))
        net.add("Identity", name)
    model = net.model(*[node.output[0] for node in net.nodes])
    model.graph.output[0].type.tensor_type.ClearField("elem_type")
    for tensor, result in zip(model.graph.initializer, to_proto(to_ir(model)).graph.initializer, strict=True):
        assert (result.data_type, result.dims) == (tensor.data_type, tensor.dims)
        assert numpy_helper.to_array(result).tobytes() == numpy_helper.to_array(tensor).tobytes()


def test_sparse_initializers_are_refused_by_name() -> None:
    net = Net([1, 3])
    model = net.model(net.add("Relu", "data"))
    values = helper.make_tensor("thin", onnx.TensorProto.FLOAT, [1], [1.0])
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, helper.make_tensor("places", onnx.TensorProto.INT64, [1], [0]), [3])
    )
    with pytest.raises(OptimizeError, match="initializer thin is sparse"):
        to_ir(model)


def test_the_message_that_is_read_stays_as_it_was() -> None:
    tensor = onnx.numpy_helper.from_array(np.float32([1, 2]))
    unnamed = onnx.helper.make_node("Constant", [], ["c"], value=tensor)
    named = onnx.helper.make_node("Constant", [], ["d"], value=onnx.numpy_helper.from_array(np.array(["s"]), "own"))
    ports = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in "xy"]
    strings = onnx.helper.make_tensor_value_info("z", onnx.TensorProto.STRING, [1])
    nodes = [
        unnamed,
        named,
        onnx.helper.make_node("Add", ["x", "c"], ["y"]),
        onnx.helper.make_node("Identity", ["d"], ["z"]),
    ]
    graph = onnx.helper.make_graph(nodes, "g", ports[:1], [ports[1], strings])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    before = model.SerializeToString(deterministic=True)
    result = to_proto(to_ir(model))
    assert model.SerializeToString(deterministic=True) == before
    assert {tensor.name for tensor in result.graph.initializer} == {"c", "d"}
    onnx.checker.check_model(result)
