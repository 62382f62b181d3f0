"""What a model that was loaded keeps to, so that nothing else has to ask."""

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from zoosmith.onnx_model.errors import DamagedModelError
from zoosmith.onnx_model.loading import load_model
from zoosmith.onnx_model.tensor_data import ELEMENT_TYPES


def model(*nodes: onnx.NodeProto, shape: tuple[int, ...] = (2, 3)) -> ModelProto:
    ports = [helper.make_tensor_value_info(name, 1, shape) for name in "xy"]
    graph = helper.make_graph(list(nodes) or [helper.make_node("Relu", ["x"], ["y"])], "g", ports[:1], ports[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def loaded(made: ModelProto) -> ModelProto:
    return load_model(made.SerializeToString())


def with_weight(tensor: TensorProto) -> ModelProto:
    made = model()
    made.graph.initializer.append(tensor)
    return made


def test_a_negative_size_becomes_an_unknown_one_wherever_a_type_stands() -> None:
    made = model(shape=(-1, 3))
    made.graph.value_info.append(helper.make_tensor_sequence_value_info("s", 1, [-7, 4]))
    found = loaded(made)
    assert not found.graph.input[0].type.tensor_type.shape.dim[0].HasField("dim_value")
    inner = found.graph.value_info[0].type.sequence_type.elem_type.tensor_type
    assert [size.dim_value for size in inner.shape.dim] == [0, 4]
    onnx.shape_inference.infer_shapes(found)


@pytest.mark.parametrize("kind", sorted(ELEMENT_TYPES), ids=TensorProto.DataType.Name)
@pytest.mark.parametrize("raw", [True, False])
def test_data_that_onnx_itself_writes_is_accepted_of_every_type(kind: int, raw: bool) -> None:
    if kind == TensorProto.STRING:
        tensor = helper.make_tensor("w", kind, [3], [b"a", b"b", b"c"])
    elif raw:
        array = np.ones(3).astype(helper.tensor_dtype_to_np_dtype(kind))
        tensor = onnx.numpy_helper.from_array(array, "w")
    else:
        tensor = helper.make_tensor("w", kind, [3], [1, 1, 1])
    loaded(with_weight(tensor))
    tensor.dims[0] = 7
    with pytest.raises(DamagedModelError, match=r"tensor 'w' has .* of data; its type and shape take"):
        loaded(with_weight(tensor))


def test_nodes_out_of_order_or_in_a_circle_are_refused_by_name() -> None:
    later = [helper.make_node("Relu", ["t"], ["y"], name="first"), helper.make_node("Relu", ["x"], ["t"])]
    circle = [helper.make_node("Add", ["x", "y"], ["y"], name="first")]
    for nodes in (later, circle):
        with pytest.raises(DamagedModelError, match=r"node 'first' .* not in order, or form a cycle"):
            loaded(model(*nodes))


def test_a_graph_inside_may_read_what_is_there_outside_and_reuse_names_of_its_neighbour() -> None:
    def branch(name: str) -> onnx.GraphProto:
        result = helper.make_tensor_value_info("r", 1, None)
        return helper.make_graph([helper.make_node("Relu", ["x"], ["r"])], name, [], [result])

    condition = helper.make_node("Constant", [], ["c"], value=onnx.numpy_helper.from_array(np.array(True)))
    both = helper.make_node("If", ["c"], ["y"], then_branch=branch("a"), else_branch=branch("b"))
    loaded(model(condition, both))


def test_functions_that_never_end_or_come_to_millions_of_nodes_are_refused() -> None:
    def function(name: str, *calls: str) -> onnx.FunctionProto:
        names = ["a", *(f"t{index}" for index in range(len(calls) - 1)), "b"]
        nodes = [
            helper.make_node(call, [given], [made], domain="" if call == "Relu" else "f")
            for call, given, made in zip(calls, names, names[1:], strict=False)
        ]
        return helper.make_function("f", name, ["a"], ["b"], nodes, [helper.make_opsetid("", 13)])

    made = model(helper.make_node("F0", ["x"], ["y"], domain="f"))
    made.functions.extend(function(f"F{level}", *[f"F{level + 1}"] * 2) for level in range(20))
    made.functions.append(function("F20", "Relu"))
    loaded(made)
    made.functions.extend([function("G", "F0", "F0"), function("H", "H")])
    made.graph.node[0].op_type = "G"
    with pytest.raises(DamagedModelError, match=r"come to 2,097,152 nodes .* at most 1,048,576"):
        loaded(made)
    made.graph.node[0].op_type = "H"
    with pytest.raises(DamagedModelError, match="function 'H' calls itself"):
        loaded(made)
