"""How many bytes and elements the data of a tensor must have, by its type and shape."""

from collections.abc import Sequence
from math import prod

from onnx import TensorProto, helper

from zoosmith.onnx_model.errors import ModelError

# bits of an element where it is no whole number of bytes
_BITS = {
    getattr(TensorProto, name): bits
    for name, bits in {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}.items()
    if hasattr(TensorProto, name)
}
# fields other than raw_data that hold elements; int32_data for every type that is not named
_FIELDS: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.COMPLEX64: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.COMPLEX128: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.UINT32: "uint64_data",
    TensorProto.UINT64: "uint64_data",
    TensorProto.STRING: "string_data",
}
_PAIRS = (TensorProto.COMPLEX64, TensorProto.COMPLEX128)

MOST_DIMENSIONS = 32
"""Of a shape; numpy 1 has no more."""

# of up to 16 bytes each they can be counted in 63 bits
_MOST_ELEMENTS = 2**59

ELEMENT_TYPES = frozenset(TensorProto.DataType.values()) - {TensorProto.UNDEFINED}
"""The element types of the installed onnx."""


def stored_bytes(tensor: TensorProto) -> int:
    """How many bytes the data of a tensor takes by its type and shape. Raises ModelError where they tell none."""
    count = _elements(tensor)
    if tensor.data_type in _BITS:
        return (count * _BITS[tensor.data_type] + 7) // 8
    if tensor.data_type not in ELEMENT_TYPES or tensor.data_type == TensorProto.STRING:
        raise ModelError(f"tensor {tensor.name!r} is of type {tensor.data_type}, which has no raw data")
    return count * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize


def check_data(tensor: TensorProto) -> None:
    """Check that the data that a tensor carries fits its type and shape.

    Args:
        tensor: one whose data lies in the message.

    Raises:
        ModelError: its type is unknown, a size is negative, or it has more or less data than they take.
    """
    count = _elements(tensor)
    if tensor.data_type not in ELEMENT_TYPES:
        raise ModelError(f"tensor {tensor.name!r} is of type {tensor.data_type}, which onnx does not know")
    if tensor.HasField("raw_data"):
        needed, found, unit = stored_bytes(tensor), len(tensor.raw_data), "bytes"
    else:
        needed, unit = count * (2 if tensor.data_type in _PAIRS else 1), "elements"
        if tensor.data_type in _BITS:
            needed = stored_bytes(tensor)
        found = len(getattr(tensor, _FIELDS.get(tensor.data_type, "int32_data")))
    if needed != found:
        raise ModelError(f"tensor {tensor.name!r} has {found} {unit} of data; its type and shape take {needed}")


def _elements(tensor: TensorProto) -> int:
    check_shape(tensor.dims, f"tensor {tensor.name!r}")
    return prod(tensor.dims)


def check_shape(sizes: Sequence[int], what: str) -> None:
    """Check that there can be an array of a shape.

    Args:
        sizes: of its dimensions.
        what: what the message calls it.

    Raises:
        ModelError: a size is negative, the shape has more than `MOST_DIMENSIONS`, or the sizes multiply to what no
            machine addresses (those that are 0 left aside, as arrays have it).
    """
    if len(sizes) > MOST_DIMENSIONS:
        raise ModelError(f"{what} has {len(sizes)} dimensions; at most {MOST_DIMENSIONS} are supported")
    if any(size < 0 for size in sizes):
        raise ModelError(f"{what} has a negative size in its shape {list(sizes)}")
    if prod(size or 1 for size in sizes) > _MOST_ELEMENTS:
        raise ModelError(f"{what} has shape {list(sizes)}, which is larger than any memory")
