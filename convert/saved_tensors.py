"""Tensors as Caffe2 saves them (TensorProto), whole or in parts, straight from the file's bytes."""

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.fill_operators import DTYPES, Content, Tensor, refuse_endless
from zoosmith.convert.proto.caffe2_pb2 import TensorProto
from zoosmith.onnx_model.wire_format import BYTES, fields

_TENSOR = {field.name: field.number for field in TensorProto.DESCRIPTOR.fields}
# fields that may be large: they are taken from the file as they lie there
_RAW_FIELDS: dict[int, np.dtype] = {
    _TENSOR["float_data"]: np.dtype("<f4"),
    _TENSOR["double_data"]: np.dtype("<f8"),
    _TENSOR["raw_data"]: np.dtype("u1"),
    _TENSOR["byte_data"]: np.dtype("u1"),
}
_PROTOS = 1


class Part(NamedTuple):
    """Consecutive elements of a saved tensor.

    Attributes:
        name: the blob.
        dtype: of its elements.
        shape: of the whole tensor.
        begin: where the elements lie in it, row by row.
        content: the elements.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    begin: int
    content: np.ndarray


def read_part(buffer: memoryview, start: int, end: int, name: str | None = None) -> Part:
    """Read a TensorProto.

    Args:
        buffer: of which the message is a part.
        start: where it begins.
        end: where it ends.
        name: of the blob, where the message itself has none.

    Raises:
        ConvertError: the message is damaged, holds strings or another type that no parameter has, or its elements do
            not fit its shape.
        WireFormatError: it is no message.
    """
    small: list[memoryview] = []
    taken: list[np.ndarray] = []
    for number, kind, tag, first, last in fields(buffer, start, end):
        if number in _RAW_FIELDS and kind == BYTES:
            dtype = _RAW_FIELDS[number]
            if (last - first) % dtype.itemsize:
                raise ConvertError(f"the packed numbers at byte {tag} are no multiple of {dtype.itemsize} bytes")
            taken.append(np.frombuffer(buffer[first:last], dtype))
        else:
            small.append(buffer[tag:last])
    try:
        proto = TensorProto.FromString(b"".join(small))
    except DecodeError as error:
        raise ConvertError("a tensor in it is damaged") from error
    blob = proto.name or name or ""
    if not isinstance(blob, str):
        raise ConvertError(f"{blob!r}, the name of a blob, is no text")
    dtype = _dtype(proto, blob)
    shape = tuple(proto.dims)
    if any(size < 0 for size in shape):
        raise ConvertError(f"blob {blob!r}: shape {list(shape)} has a negative size")
    refuse_endless(shape, f"blob {blob!r}")
    content = _elements(proto, taken, dtype, blob)
    begin, stop = (proto.segment.begin, proto.segment.end) if proto.HasField("segment") else (0, prod(shape))
    if not 0 <= begin <= stop <= prod(shape) or stop - begin != len(content):
        raise ConvertError(
            f"blob {blob!r}: elements {begin} to {stop} of shape {list(shape)} are announced, found {len(content)}"
        )
    return Part(blob, dtype, shape, begin, content)


def read_tensor_protos(buffer: memoryview) -> dict[str, Tensor]:
    """Read a TensorProtos file: named tensors one after the other.

    Args:
        buffer: the file.

    Raises:
        ConvertError: as for `read_part`; or a tensor has no name.
        WireFormatError: it is no message.
    """

    def parts() -> Iterator[Part]:
        for number, kind, tag, first, last in fields(buffer, 0, len(buffer)):
            if number != _PROTOS or kind != BYTES:
                raise ConvertError(f"the field at byte {tag} is none of a TensorProtos")
            part = read_part(buffer, first, last)
            if not part.name:
                raise ConvertError(f"the tensor at byte {tag} has no name")
            yield part

    return assembled(parts())


def assembled(parts: Iterable[Part]) -> dict[str, Tensor]:
    """Put tensors together that were saved in parts.

    Args:
        parts: in any order.

    Returns:
        The tensors by blob, in the order in which they come first.

    Raises:
        ConvertError: the parts of a blob differ in type or shape, overlap or are not all there.
    """
    by_blob: dict[str, list[Part]] = {}
    for part in parts:
        by_blob.setdefault(part.name, []).append(part)
    return {blob: _whole(blob, pieces) for blob, pieces in by_blob.items()}


def _whole(blob: str, pieces: list[Part]) -> Tensor:
    first = pieces[0]
    if any((piece.dtype, piece.shape) != (first.dtype, first.shape) for piece in pieces):
        raise ConvertError(f"the parts of blob {blob!r} differ in type or shape")
    pieces.sort(key=lambda piece: piece.begin)
    end = 0
    for piece in pieces:
        if piece.begin != end:
            what = "is there twice" if piece.begin < end else "lacks a part"
            raise ConvertError(f"blob {blob!r} {what}: elements {end} and {piece.begin} of {prod(first.shape)}")
        end += len(piece.content)
    if end != prod(first.shape):
        raise ConvertError(f"blob {blob!r} lacks a part: {end} of {prod(first.shape)} elements are there")
    content: Content = first.content
    if len(pieces) > 1:
        content = b"".join(piece.content.tobytes() for piece in pieces)
    return Tensor(first.dtype, first.shape, content)


def _dtype(proto: TensorProto, blob: str) -> np.dtype:
    dtype = DTYPES.get(proto.data_type)
    if dtype is None or proto.data_format:
        kind = "bfloat16" if proto.data_format else TensorProto.DataType.Name(proto.data_type)
        raise ConvertError(f"blob {blob!r} holds elements of type {kind}, expected numbers of another type")
    return dtype


def _elements(proto: TensorProto, taken: list[np.ndarray], dtype: np.dtype, blob: str) -> np.ndarray:
    """The elements that a message holds, of whichever field is the one of their type."""
    values: Any
    if taken:
        if len(taken) > 1:
            raise ConvertError(f"blob {blob!r} states its elements twice")
        values = taken[0]
        if values.dtype != dtype:
            if values.dtype != np.dtype("u1") or len(values) % dtype.itemsize:
                raise ConvertError(f"blob {blob!r}: its elements are stored as {values.dtype}, expected {dtype}")
            values = values.view(dtype)
        return values
    stored: Mapping[str, Any] = {
        "f": proto.double_data if dtype == np.float64 else proto.float_data,
        "i": proto.int64_data if dtype == np.int64 else proto.int32_data,
        "u": proto.int32_data,
        "b": proto.int32_data,
    }
    # half precision stands in its bits
    bits = dtype == np.float16
    numbers = np.array(
        proto.int32_data if bits else stored[dtype.kind], None if dtype.kind == "f" and not bits else "i8"
    )
    target = np.dtype("<u2") if bits else dtype
    if target.kind in "iub" and len(numbers):
        low, high = (0, 1) if target.kind == "b" else (np.iinfo(target).min, np.iinfo(target).max)
        if numbers.min() < low or numbers.max() > high:
            raise ConvertError(f"blob {blob!r} holds numbers beyond its type, {dtype}")
    return numbers.astype(target).view(dtype)
