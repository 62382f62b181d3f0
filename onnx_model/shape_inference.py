"""onnx's shape inference, without what it spends on long vectors."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

import onnx
from onnx import FunctionProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, checker, defs

from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS, default_opset
from zoosmith.onnx_model.traversal import all_graphs, all_nodes

INFERENCE_ERRORS = (
    onnx.shape_inference.InferenceError,
    checker.ValidationError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    MemoryError,
)
"""What onnx's inference raises of a model that it does not take: its C++ core has no common base."""

# elements of all vectors together: 600 MB of memory
_MOST_ELEMENTS = 1 << 22
_HIDDEN = "zoosmith vector of "


def infer_shapes(model: ModelProto, *, check_type: bool = False, strict_mode: bool = False) -> ModelProto:
    """Return a copy of a model that states the shapes which onnx's inference finds.

    A vector may be the shape of another tensor, and then its length is a rank. onnx's inference writes down so many
    dimensions; where it also follows the values of vectors (`data_prop`), it keeps about 150 bytes for each element of
    every vector, whatever its type (measured with onnx 1.23). A model of 100 bytes that states a vector of 2^40
    elements would take all memory there is. So stated lengths that large are hidden from it, and values are not
    followed where vectors in between are long.

    A node that leaves out an input which its operator requires ends the process in some of onnx's inferences. It is
    refused before.

    Args:
        model: left as it was.
        check_type: also compare element types.
        strict_mode: raise where shapes contradict each other.

    Raises:
        Exception: one of `INFERENCE_ERRORS`.
    """
    refuse_incomplete(model)
    given = model
    if any(map(_is_long, _lengths_of_vectors(model))):
        given = ModelProto()
        given.CopyFrom(model)
        hide_long_vectors(given)
    inferred = onnx.shape_inference.infer_shapes(given)
    follow = not has_long_vectors(inferred)
    if follow or check_type or strict_mode:
        inferred = onnx.shape_inference.infer_shapes(given, check_type, strict_mode, data_prop=follow)
    if given is not model:
        for length in _lengths_of_vectors(inferred):
            _reveal(length)
    return inferred


def infer_node_outputs(
    schema: onnx.defs.OpSchema,
    node: NodeProto,
    types: Mapping[str, TypeProto],
    data: Mapping[str, TensorProto],
    opset: int,
) -> dict[str, TypeProto]:
    """What onnx's inference finds of the outputs of a node of ONNX's own operators; long vectors are hidden from it.

    Raises:
        Exception: one of `INFERENCE_ERRORS`.
    """
    for index in _required_inputs(schema.name, schema.since_version):
        if index >= len(node.input) or not node.input[index]:
            raise ValueError(f"node {node.name!r} ({node.op_type}) leaves out its input {index}")
    given = dict(types)
    for name, found in types.items():
        if any(map(_is_long, _length_of_vector(found))):
            given[name] = TypeProto()
            given[name].CopyFrom(found)
            for length in _length_of_vector(given[name]):
                _hide(length)
    opsets = [onnx.helper.make_opsetid("", opset)]
    inferred: dict[str, TypeProto] = onnx.shape_inference.infer_node_outputs(
        schema, node, given, dict(data), opset_imports=opsets
    )
    for found in inferred.values():
        for length in _length_of_vector(found):
            _reveal(length)
    return inferred


def hide_long_vectors(model: ModelProto) -> None:
    """Replace the lengths that onnx's inference must not see by names, in place: for what runs it by itself."""
    for length in _lengths_of_vectors(model):
        _hide(length)


def refuse_incomplete(model: ModelProto) -> None:
    """Refuse a node that leaves out an input which its operator requires: parts of onnx end the process at it.

    Raises:
        ValueError: there is one.
    """
    bodies: list[ModelProto | FunctionProto] = [model, *model.functions]
    for body in bodies:
        opset = default_opset(body) or 1
        for node in all_nodes(body.graph if isinstance(body, ModelProto) else body):
            if node.domain not in DEFAULT_DOMAINS:
                continue
            names = node.input
            for index in _required_inputs(node.op_type, opset):
                if index >= len(names) or not names[index]:
                    raise ValueError(f"node {node.name!r} ({node.op_type}) leaves out its input {index}")


@cache
def _required_inputs(operator: str, opset: int) -> tuple[int, ...]:
    """Positions of the inputs that ONNX's operator requires; none for an operator that there is not."""
    try:
        schema = defs.get_schema(operator, opset, "")
    except defs.SchemaError:
        return ()
    single = defs.OpSchema.FormalParameterOption.Single
    return tuple(index for index, formal in enumerate(schema.inputs) if formal.option == single)


def has_long_vectors(model: ModelProto) -> bool:
    """Whether the vectors whose sizes a model states are so long that no inference may follow their values."""
    return sum(length.dim_value for length in _lengths_of_vectors(model)) > _MOST_ELEMENTS


def _lengths_of_vectors(model: ModelProto) -> Iterator[TensorShapeProto.Dimension]:
    for graph in all_graphs(model):
        for value in (*graph.input, *graph.value_info, *graph.output):
            yield from _length_of_vector(value.type)


def _length_of_vector(value_type: TypeProto) -> Iterable[TensorShapeProto.Dimension]:
    dims = value_type.tensor_type.shape.dim
    return dims if len(dims) == 1 else ()


def _is_long(length: TensorShapeProto.Dimension) -> bool:
    return length.dim_value > _MOST_ELEMENTS


def _hide(length: TensorShapeProto.Dimension) -> None:
    if _is_long(length):
        length.dim_param = f"{_HIDDEN}{length.dim_value}"


def _reveal(length: TensorShapeProto.Dimension) -> None:
    if length.dim_param.startswith(_HIDDEN):
        length.dim_value = int(length.dim_param.removeprefix(_HIDDEN))
