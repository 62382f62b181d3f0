"""A model's inputs, outputs and features as a hub manifest lists them."""

from collections.abc import Iterable
from typing import Any

from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto, helper, shape_inference

from zoosmith.onnx_model.ports import required_inputs

# element type -> how ONNX Runtime, and with it the hub, spells the type
_SPELLINGS: dict[int, str] = {TensorProto.FLOAT: "float", TensorProto.DOUBLE: "double"}

Port = dict[str, Any]


def input_ports(graph: GraphProto) -> tuple[Port, ...]:
    """Return name, shape and type of the inputs that are not initializers."""
    return tuple(map(_typed, required_inputs(graph)))


def output_ports(graph: GraphProto) -> tuple[Port, ...]:
    """Return name, shape and type of the outputs."""
    return tuple(map(_typed, graph.output))


def inner_ports(model: ModelProto, names: Iterable[str]) -> tuple[Port, ...]:
    """Return name and shape of inner tensors, those of `names` whose shape the model states or onnx can infer."""
    stated = model.graph.value_info or shape_inference.infer_shapes(_without_tensors(model)).graph.value_info
    wanted = set(names)
    return tuple(_port(value) for value in stated if value.name in wanted)


def _without_tensors(model: ModelProto) -> ModelProto:
    """The model with its initializers as inputs: shapes follow, and no tensor is copied."""
    graph = GraphProto(name=model.graph.name, node=model.graph.node, input=model.graph.input)
    inputs = {value.name for value in graph.input}
    graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in model.graph.initializer
        if tensor.name not in inputs
    )
    return ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, graph=graph)


def _port(value: ValueInfoProto) -> Port:
    dims = value.type.tensor_type.shape.dim
    return {"name": value.name, "shape": [dim.dim_param or dim.dim_value for dim in dims]}


def _typed(value: ValueInfoProto) -> Port:
    kind = value.type.tensor_type.elem_type
    return {**_port(value), "type": f"tensor({_SPELLINGS.get(kind) or helper.tensor_dtype_to_np_dtype(kind)})"}
