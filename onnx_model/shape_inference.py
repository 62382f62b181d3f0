"""onnx's shape inference, with the values of shapes followed where that takes little memory."""

import onnx
from onnx import ModelProto

from zoosmith.onnx_model.traversal import all_graphs

# elements of all vectors together: 600 MB of memory
_MOST_ELEMENTS = 1 << 22


def infer_shapes(model: ModelProto, *, check_type: bool = False, strict_mode: bool = False) -> ModelProto:
    """Return a copy of a model that states the shapes which onnx's inference finds.

    The inference can follow the values of small vectors, which may be shapes (`data_prop`). It then keeps about 150
    bytes for each element of every vector, whatever its type (measured with onnx 1.23): a model of 100 bytes that
    states a vector of 2^40 elements would take all memory there is. So it does not where vectors are long.

    Args:
        model: left as it was.
        check_type: also compare element types.
        strict_mode: raise where shapes contradict each other.

    Raises:
        Exception: what onnx raises; its C++ core has no common base.
    """
    plain = onnx.shape_inference.infer_shapes(model)
    follow = elements_of_vectors(plain) <= _MOST_ELEMENTS
    if not follow and not (check_type or strict_mode):
        return plain
    return onnx.shape_inference.infer_shapes(model, check_type, strict_mode, data_prop=follow)


def has_long_vectors(model: ModelProto) -> bool:
    """Whether the vectors whose sizes a model states are so long that no inference may follow their values."""
    return elements_of_vectors(model) > _MOST_ELEMENTS


def elements_of_vectors(model: ModelProto) -> int:
    """How many elements the vectors have whose sizes a model states, together."""
    total = 0
    for graph in all_graphs(model):
        for value in (*graph.input, *graph.value_info, *graph.output):
            dims = value.type.tensor_type.shape.dim
            if len(dims) == 1:
                total += dims[0].dim_value
    return total
