"""Inputs, outputs and features of a model as a hub manifest lists them."""

from collections.abc import Iterable
from typing import Any

from onnx import GraphProto, ModelProto, TypeProto, ValueInfoProto, helper

from zoosmith.onnx_model.ports import element_type_name, required_inputs, tensor_shape
from zoosmith.onnx_model.shape_inference import infer_shapes

HubPort = dict[str, Any]
"""`name`, `shape` (a size, the name of one, or None; None as a whole where no rank is stated) and mostly `type`."""


def hub_inputs(graph: GraphProto) -> tuple[HubPort, ...]:
    """Return name, shape and type of the inputs that are not initializers."""
    return tuple(map(_typed, required_inputs(graph)))


def hub_outputs(graph: GraphProto) -> tuple[HubPort, ...]:
    """Return name, shape and type of the outputs."""
    return tuple(map(_typed, graph.output))


def hub_features(model: ModelProto, names: Iterable[str]) -> tuple[HubPort, ...]:
    """Return name and shape of inner tensors, those of `names` whose shape the model states or onnx can infer."""
    wanted = set(names)
    if not wanted:
        return ()
    stated = model.graph.value_info or infer_shapes(_without_tensors(model)).graph.value_info
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


def _port(value: ValueInfoProto) -> HubPort:
    shape = tensor_shape(value.type)
    return {"name": value.name, "shape": None if shape is None else list(shape)}


def _typed(value: ValueInfoProto) -> HubPort:
    return {**_port(value), "type": _spelled(value.type)}


def _spelled(kind: TypeProto) -> str:
    """Spell a type as ONNX Runtime, and with it the hub, does."""
    match kind.WhichOneof("value"):
        case "tensor_type":
            return f"tensor({element_type_name(kind.tensor_type.elem_type)})"
        case "sparse_tensor_type":
            return f"sparse_tensor({element_type_name(kind.sparse_tensor_type.elem_type)})"
        case "sequence_type":
            return f"seq({_spelled(kind.sequence_type.elem_type)})"
        case "optional_type":
            return f"optional({_spelled(kind.optional_type.elem_type)})"
        case "map_type":
            return f"map({element_type_name(kind.map_type.key_type)},{_spelled(kind.map_type.value_type)})"
    return "unknown"
