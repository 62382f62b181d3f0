"""ONNX models as onnx-ir models, the form that passes work on, and back."""

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import (
    LiftConstantsToInitializersPass,
    RemoveInitializersFromInputsPass,
    ShapeInferencePass,
)

from zoosmith.onnx_model.errors import first_line
from zoosmith.onnx_model.in_place import array_of
from zoosmith.onnx_model.opsets import required_opset
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.optimize.errors import OptimizeError
from zoosmith.optimize.weights_in_files import weights_in_file

# the oldest IR version whose initializers need not be inputs as well
_IR_OF_PLAIN_INITIALIZERS = 4


def to_ir(model: onnx.ModelProto) -> ir.Model:
    """Return a model in the form that passes work on.

    Constant nodes become initializers, and inputs that have an initializer are no longer inputs: their value is taken
    as fixed. Every initializer of the graph is an array, in memory or mapped from the file in which it was left, and
    every value states the type and shape that ONNX's shape inference finds.

    Args:
        model: a model with its nodes in topological order; it is left as it was.

    Returns:
        The model as onnx-ir has it, for passes to change.

    Raises:
        ModelError: the model imports no opset of ONNX's own operators.
        OptimizeError: it holds sparse initializers, or something that onnx-ir does not read.
    """
    required_opset(model)
    if model.graph.sparse_initializer:
        name = model.graph.sparse_initializer[0].values.name
        raise OptimizeError(f"initializer {name} is sparse; expected dense initializers")
    in_file = weights_in_file(model.graph)
    constants = _tensors_of_constants(model)
    try:
        result = ir.from_proto(_without_stamps(model) if in_file else model)
    except Exception as error:  # it raises what it comes upon
        raise OptimizeError(f"onnx-ir cannot read the model: {first_line(error)}") from error
    result.ir_version = max(result.ir_version, _IR_OF_PLAIN_INITIALIZERS)
    RemoveInitializersFromInputsPass()(result)
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(result)
    for graph in result.graphs():
        for value in graph.initializers.values():
            if graph is result.graph and value.name in in_file:
                value.const_value = _FileTensor(in_file[value.name])
            elif value.const_value is not None:
                value.const_value = _own_tensor(value.const_value, value.name)
    for tensor, own in constants:  # onnx-ir gives them the names of initializers, in the message that it was given
        if own is None:
            tensor.ClearField("name")
        else:
            tensor.name = own
    infer_shapes(result)
    return result


def _tensors_of_constants(model: onnx.ModelProto) -> list[tuple[onnx.TensorProto, str | None]]:
    """The tensors of Constant nodes, and their names; None for one that has none."""
    attributes = (each for node in all_nodes(model) if node.op_type == "Constant" for each in node.attribute)
    return [(each.t, each.t.name if each.t.HasField("name") else None) for each in attributes if each.HasField("t")]


def _own_tensor(tensor: ir.TensorProtocol, name: str | None) -> ir.TensorProtocol:
    """A tensor that does not depend on the message that it was read from."""
    if tensor.dtype == ir.DataType.STRING:
        return ir.StringTensor(tensor.numpy(), shape=ir.Shape(list(tensor.numpy().shape)), name=name)
    return ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=name)


def infer_shapes(model: ir.Model) -> None:
    """State the type and shape of every value that ONNX's shape inference finds, in place."""
    others = _no_tensors(model)
    ShapeInferencePass(check_type=False, strict_mode=False, data_prop=True)(model)
    for value, kind in others:
        value.type, value.shape = kind, None


def _no_tensors(model: ir.Model) -> list[tuple[ir.Value, ir.TypeProtocol]]:
    """Sequences and optionals with their types: onnx-ir's pass (1.1) makes tensors of them."""
    if not any("Sequence" in node.op_type or "Optional" in node.op_type for node in model.graph.all_nodes()):
        return []
    try:
        typed = ir.from_proto(onnx.shape_inference.infer_shapes(ir.to_proto(model)))
    except Exception:  # the pass leaves such a model as it is, too
        return []
    found = []
    for graph, of_typed in zip(model.graphs(), typed.graphs(), strict=True):
        values = ir.convenience.create_value_mapping(of_typed)
        for name, value in ir.convenience.create_value_mapping(graph).items():
            kind = values[name].type if name in values else None
            if kind is not None and not isinstance(kind, ir.TensorType):
                found.append((value, kind))
    return found


def _without_stamps(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model without what onnx-ir does not know of tensors that lie in its file."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in weights_in_file(copy.graph).values():
        tensor.ClearField("external_data")
    return copy


def to_proto(model: ir.Model) -> onnx.ModelProto:
    """Return a model as a message: only the initializers that are read, in order of first use, and no value_info.

    Initializers that lie in a file stay there.

    Args:
        model: what passes worked on; the initializers that nothing reads are taken out of it, too.
    """
    graph = model.graph
    used = dict.fromkeys(
        value
        for value in (*(read for node in graph.all_nodes() for read in node.inputs), *graph.outputs)
        if value is not None and value.graph is graph and value.is_initializer()
    )
    graph.initializers.clear()
    for value in used:
        graph.register_initializer(value)
    in_file = {value: value.const_value for value in used if isinstance(value.const_value, _FileTensor)}
    for value, tensor in in_file.items():
        value.const_value = ir.Tensor(np.empty(0, tensor.numpy().dtype), dtype=tensor.dtype)
    result = ir.to_proto(model)
    places = {value.name: tensor.place for value, tensor in in_file.items()}
    for initializer in result.graph.initializer:
        if initializer.name in places:
            initializer.CopyFrom(places[initializer.name])
    for value, tensor in in_file.items():
        value.const_value = tensor
    result.graph.ClearField("value_info")
    return result


class _FileTensor(ir.Tensor):
    """A tensor that was left in the file of its model, mapped from there.

    Args:
        place: says where it lies, as `load_in_place` has it.
    """

    def __init__(self, place: onnx.TensorProto) -> None:
        super().__init__(array_of(place), dtype=ir.DataType(place.data_type), name=place.name)
        self.place = place
