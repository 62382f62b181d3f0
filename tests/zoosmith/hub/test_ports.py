"""How ports are spelled in a hub manifest."""

from onnx import TensorProto, helper

from zoosmith.hub.ports import hub_features, hub_inputs, hub_outputs


def test_types_and_sizes_are_spelled_as_onnx_runtime_spells_them() -> None:
    tensor = helper.make_tensor_type_proto
    kinds = {
        "tensor(int64)": tensor(TensorProto.INT64, ["N", None, 3]),
        "tensor(string)": tensor(TensorProto.STRING, []),
        "tensor(float16)": tensor(TensorProto.FLOAT16, None),
        "seq(tensor(double))": helper.make_sequence_type_proto(tensor(TensorProto.DOUBLE, [2])),
        "optional(tensor(bool))": helper.make_optional_type_proto(tensor(TensorProto.BOOL, [2])),
        "map(int64,tensor(float))": helper.make_map_type_proto(TensorProto.INT64, tensor(TensorProto.FLOAT, [])),
    }
    values = [helper.make_value_info(name, kind) for name, kind in kinds.items()]
    graph = helper.make_graph([], "ports", values, values)
    assert [port["type"] for port in hub_inputs(graph)] == list(kinds)
    assert hub_inputs(graph) == hub_outputs(graph)
    assert [port["shape"] for port in hub_inputs(graph)] == [["N", None, 3], [], None, None, None, None]


def test_features_have_the_shape_that_onnx_infers() -> None:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    nodes = [helper.make_node("Flatten", ["x"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    graph = helper.make_graph(nodes, "g", [value], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    assert hub_features(model, ["h", "absent"]) == ({"name": "h", "shape": [1, 4]},)
    assert hub_features(model, []) == ()
