"""Changing what a model promises its caller: sizes made fixed or symbolic, inputs and outputs renamed.

Each function edits the model in place. Shapes that others follow from (of outputs, of values between nodes) are not
inferred here.
"""

from collections.abc import Iterable, Mapping

from onnx import GraphProto, ModelProto, TensorShapeProto, TypeProto, ValueInfoProto

from zoosmith.onnx_model.errors import ModelError
from zoosmith.onnx_model.ports import input_ports, symbolic_sizes
from zoosmith.onnx_model.traversal import all_graphs, all_names, subgraphs

FreedSize = tuple[str, int, str]
"""An input, an axis of it (negative: from the end), and the name that its size there gets."""


def fix_sizes(model: ModelProto, sizes: Mapping[str, int]) -> None:
    """Make symbolic sizes fixed, wherever the model states them.

    Args:
        model: edited in place.
        sizes: sizes by name of a symbolic dimension of an input; `x:0` names the first dimension of the input `x`,
            which need not have a name of its own.

    Raises:
        ModelError: no input has such a dimension, or it is fixed already.
    """
    symbols = name_sizes(model, sizes)
    for value_type in _stated_types(model):
        for dimension in value_type.tensor_type.shape.dim:
            if dimension.dim_param in symbols:
                dimension.dim_value = symbols[dimension.dim_param]


def name_sizes(model: ModelProto, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return `sizes`, as `fix_sizes` takes them, by symbol; a dimension without a name gets one in the model.

    Raises ModelError as `fix_sizes` does.
    """
    symbols: dict[str, int] = {}
    known = symbolic_sizes(input_ports(model.graph))
    for name, size in sizes.items():
        if name in known:
            symbols[name] = size
            continue
        port, _, axis = name.rpartition(":")
        if not port or not axis.removeprefix("-").isdecimal():
            there = ", ".join(map(repr, known)) or "none"
            raise ModelError(f"no input has a dimension named {name!r} (there are: {there}); x:0 is the first of x")
        dimension = _dimension(model, port, int(axis))
        if dimension.HasField("dim_value") and dimension.dim_value >= 0:
            raise ModelError(f"dimension {axis} of input {port!r} is fixed already, at {dimension.dim_value}")
        if not dimension.dim_param:
            dimension.dim_param = name
        symbols[dimension.dim_param] = size
    return symbols


def free_sizes(model: ModelProto, sizes: Iterable[FreedSize]) -> None:
    """Make sizes of inputs symbolic; what the model states of the shapes that may follow from them goes.

    Outputs keep their rank, values between nodes their type.

    Args:
        model: edited in place.
        sizes: input, axis and name of each.

    Raises:
        ModelError: there is no such input, or no such axis.
    """
    freed = list(sizes)
    for port, axis, symbol in freed:
        dimension = _dimension(model, port, axis)
        dimension.dim_param = symbol
    if not freed:
        return
    for value in model.graph.output:
        for dimension in value.type.tensor_type.shape.dim if value.type.HasField("tensor_type") else ():
            dimension.Clear()
    for graph in all_graphs(model):
        inner = () if graph is model.graph else (*graph.input, *graph.output)
        for value in (*graph.value_info, *inner):
            for tensor in _tensor_types(value.type):
                tensor.tensor_type.ClearField("shape")


def rename_ports(model: ModelProto, names: Mapping[str, str]) -> None:
    """Rename inputs and outputs of a model, and every use of them.

    Args:
        model: edited in place.
        names: new names by old.

    Raises:
        ModelError: there is no such input or output, or a new name is empty or in use.
    """
    if not names:
        return
    ports = [value.name for value in (*model.graph.input, *model.graph.output)]
    taken = set(all_names(model)) - set(names)
    for old, new in names.items():
        if old not in ports:
            there = ", ".join(map(repr, dict.fromkeys(ports)))
            raise ModelError(f"{old!r} is no input or output of the model; those are {there}")
        if not new or new in taken:
            raise ModelError(f"{old!r} cannot be renamed to {new!r}: the model uses that name already")
        taken.add(new)
    _rename(model.graph, names)


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)
    for tensor in (*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer)):
        tensor.name = names.get(tensor.name, tensor.name)
    for annotation in graph.quantization_annotation:
        annotation.tensor_name = names.get(annotation.tensor_name, annotation.tensor_name)
    for node in graph.node:
        if not names.keys().isdisjoint(node.input):
            node.input[:] = [names.get(name, name) for name in node.input]
        if not names.keys().isdisjoint(node.output):
            node.output[:] = [names.get(name, name) for name in node.output]
        for _, inner in subgraphs(node):
            _rename(inner, names)


def _dimension(model: ModelProto, port: str, axis: int) -> TensorShapeProto.Dimension:
    found = next((value for value in model.graph.input if value.name == port), None)
    if found is None:
        there = ", ".join(repr(value.name) for value in model.graph.input) or "none"
        raise ModelError(f"{port!r} is no input of the model; those are {there}")
    if not found.type.tensor_type.HasField("shape"):
        raise ModelError(f"the model does not state how many dimensions input {port!r} has")
    dimensions = found.type.tensor_type.shape.dim
    if not -len(dimensions) <= axis < len(dimensions):
        raise ModelError(f"input {port!r} has {len(dimensions)} dimensions, none numbered {axis}")
    return dimensions[axis]


def _stated_types(model: ModelProto) -> Iterable[TypeProto]:
    """Every tensor type that the graphs of a model state."""
    for graph in all_graphs(model):
        values: Iterable[ValueInfoProto] = (*graph.input, *graph.output, *graph.value_info)
        for value in values:
            yield from _tensor_types(value.type)


def _tensor_types(value_type: TypeProto) -> Iterable[TypeProto]:
    """The type itself where it is a tensor's, else that of the tensors in a sequence or an optional value."""
    while value_type.WhichOneof("value") in ("sequence_type", "optional_type"):
        value_type = getattr(value_type, value_type.WhichOneof("value") or "").elem_type
    if value_type.HasField("tensor_type"):
        yield value_type
