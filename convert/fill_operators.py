"""Caffe2's constant fill operators: what tensor each one makes."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import NamedTuple, TypeAlias

import numpy as np

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.proto.caffe2_pb2 import Argument, OperatorDef, TensorProto
from zoosmith.onnx_model.in_place import Span
from zoosmith.onnx_model.tensor_data import MOST_DIMENSIONS

_C2 = TensorProto
# Caffe2's element types as numpy's; strings have none
DTYPES: dict[int, np.dtype] = {
    _C2.FLOAT: np.dtype("<f4"),
    _C2.INT32: np.dtype("<i4"),
    _C2.BYTE: np.dtype("u1"),
    _C2.BOOL: np.dtype("?"),
    _C2.UINT8: np.dtype("u1"),
    _C2.INT8: np.dtype("i1"),
    _C2.UINT16: np.dtype("<u2"),
    _C2.INT16: np.dtype("<i2"),
    _C2.INT64: np.dtype("<i8"),
    _C2.FLOAT16: np.dtype("<f2"),
    _C2.DOUBLE: np.dtype("<f8"),
}


Content: TypeAlias = bytes | np.ndarray


class Tensor(NamedTuple):
    """A constant: its little-endian elements, as bytes or as a view of the file they lie scattered in.

    A view is gathered when the content is asked for: fresh memory costs more than reading, and the parameters of a net
    need not all be there at once. Content that lies in a file as it is may stay there: `span` says where.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    content: Content
    span: Span | None = None

    @property
    def data(self) -> bytes:
        """The elements as bytes, row by row."""
        return self.content if isinstance(self.content, bytes) else self.content.tobytes()

    @property
    def nbytes(self) -> int:
        """Size of the elements in bytes."""
        return prod(self.shape) * self.dtype.itemsize

    def array(self) -> np.ndarray:
        """View it as a read-only array."""
        content = self.content
        if isinstance(content, np.ndarray) and self.span is not None:
            return content.reshape(self.shape)
        return np.frombuffer(self.data, self.dtype).reshape(self.shape)

    @classmethod
    def of(cls, array: np.ndarray) -> "Tensor":
        """Copy an array into a constant."""
        dtype = array.dtype.newbyteorder("<")
        return cls(dtype, array.shape, np.ascontiguousarray(array, dtype).tobytes())


# element type -> numpy's, and the field of the argument that holds the values
_GIVEN: dict[int, tuple[str, str]] = {
    _C2.FLOAT: ("<f4", "floats"),
    _C2.DOUBLE: ("<f8", "floats"),
    _C2.BOOL: ("?", "ints"),
    _C2.INT16: ("<i2", "ints"),
    _C2.INT32: ("<i4", "ints"),
    _C2.INT64: ("<i8", "ints"),
}
Fill = Callable[[OperatorDef, Mapping[str, Content]], Tensor]


def _given(dtype: str, repeated: str, *, any_type: bool = False) -> Fill:
    """Make the fill of values of one type; with `any_type` an argument `dtype` may ask for another."""
    kind = np.dtype(dtype)
    is_float32 = kind == np.dtype("<f4")
    itemsize = kind.itemsize

    def fill(op: OperatorDef, floats: Mapping[str, Content]) -> Tensor:
        arguments = {argument.name: argument for argument in op.arg[:]}
        if any_type and "dtype" in arguments:
            code = arguments["dtype"].i
            if code not in _GIVEN:
                raise ConvertError(f"{_label(op)}: argument dtype={code} is no type that it makes")
            return _given(*_GIVEN[code])(op, floats)
        data = floats.get("values") if floats else None
        if data is not None and repeated != "floats":
            raise ConvertError(f"{_label(op)}: its argument 'values' holds floats, expected {repeated}")
        if data is None:
            found = getattr(arguments.get("values", _NO_ARGUMENT), repeated)
            data = array("q" if repeated == "ints" else "f", found[:]).tobytes()
        if not is_float32:
            values = np.frombuffer(data, "<f4" if repeated == "floats" else "<i8") if isinstance(data, bytes) else data
            data = values.astype(kind).tobytes()
        shape = _shape(op, arguments)
        count = len(data) // itemsize if isinstance(data, bytes) else len(data)
        if prod(shape) != count:
            raise ConvertError(f"{_label(op)}: shape {list(shape)} needs {prod(shape)} values, found {count}")
        return Tensor(kind, shape, data)

    return fill


_NO_ARGUMENT = Argument()


def _bytes(op: OperatorDef, floats: Mapping[str, Content]) -> Tensor:
    arguments = {argument.name: argument for argument in op.arg[:]}
    data = b"".join(arguments.get("values", Argument()).strings)
    shape = _shape(op, arguments)
    if prod(shape) != len(data):
        raise ConvertError(f"{_label(op)}: shape {list(shape)} needs {prod(shape)} bytes, found {len(data)}")
    return Tensor(np.dtype("u1"), shape, data)


def constant_value(op: OperatorDef) -> tuple[np.dtype, float | int | bool]:
    """Read what a ConstantFill fills with.

    Args:
        op: the operator; its argument `dtype` is one of Caffe2's element types, by default int64 where `value` is an
            integer and float32 where it is not.

    Returns:
        numpy's element type, and the value.

    Raises:
        ConvertError: ONNX has no tensors of that type, or the value is none of it.
    """
    arguments = {argument.name: argument for argument in op.arg[:]}
    value = arguments.get("value", Argument(f=0.0))
    code = arguments["dtype"].i if "dtype" in arguments else _C2.FLOAT
    if "dtype" not in arguments and value.HasField("i"):
        code = _C2.INT64
    dtype = DTYPES.get(code)
    if dtype is None or value.HasField("s"):
        raise ConvertError(f"{_label(op)}: argument dtype={code} has no ONNX tensor that could be filled")
    number = value.f if value.HasField("f") else value.i
    # a comparison with NaN is false
    if dtype.kind in "iu" and not np.iinfo(dtype).min <= number <= np.iinfo(dtype).max:
        raise ConvertError(f"{_label(op)}: argument value={number} is no number of type {dtype}")
    return dtype, number


def _constant(op: OperatorDef, floats: Mapping[str, Content]) -> Tensor:
    dtype, value = constant_value(op)
    shape = _shape(op, {argument.name: argument for argument in op.arg[:]})
    size = prod(shape) * dtype.itemsize
    if size > LARGEST_FILL:
        raise ConvertError(
            f"{_label(op)}: shape {list(shape)} takes {size:,} bytes; at most {LARGEST_FILL:,} are made of one number"
        )
    return Tensor(dtype, shape, np.broadcast_to(np.asarray(value, dtype), prod(shape)))


# a file of some bytes must not come to all the memory there is; the largest parameter of the published nets has 411 MB
LARGEST_FILL = 1 << 29
# of any element type their bytes are counted in 63 bits
_MOST_ELEMENTS = 1 << 58


def _shape(op: OperatorDef, arguments: Mapping[str, Argument]) -> tuple[int, ...]:
    shape = tuple(arguments["shape"].ints[:]) if "shape" in arguments else ()
    if shape and min(shape) < 0:
        raise ConvertError(f"{_label(op)}: shape {list(shape)} has a negative size")
    refuse_endless(shape, _label(op))
    if len(shape) > MOST_DIMENSIONS:
        raise ConvertError(f"{_label(op)}: has {len(shape)} dimensions; at most {MOST_DIMENSIONS} are supported")
    return shape


def refuse_endless(shape: Sequence[int], label: str) -> None:
    """Refuse sizes that no array has, even where another size is 0 and no element is stored.

    Args:
        shape: without negative sizes.
        label: what the message calls its owner.

    Raises:
        ConvertError: their product, zeros aside, is beyond all memory.
    """
    if prod(max(size, 1) for size in shape) > _MOST_ELEMENTS:
        raise ConvertError(f"{label}: shape {list(shape)} is larger than any memory")


def _label(op: OperatorDef) -> str:
    return f"{op.type} of blob {op.output[0]!r}" if op.output else op.type


FILLS: dict[str, Fill] = {
    "GivenTensorFill": _given("<f4", "floats", any_type=True),
    "GivenTensorDoubleFill": _given("<f8", "floats"),
    "GivenTensorBoolFill": _given("?", "ints"),
    "GivenTensorInt16Fill": _given("<i2", "ints"),
    "GivenTensorIntFill": _given("<i4", "ints"),
    "GivenTensorInt64Fill": _given("<i8", "ints"),
    "GivenTensorByteStringToUInt8Fill": _bytes,
    "ConstantFill": _constant,
}
