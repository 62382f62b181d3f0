"""Models whose large tensors stay in their file: read around them, written by copying their bytes from file to file.

A large tensor is replaced by one without data that says where the data lies, as an entry of `external_data` whose
location no file can hold (it begins with random bytes of this process). All of a graph can be read and edited, at the
cost of the graph.
"""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
from onnx import ModelProto, TensorProto, helper
from onnx.external_data_helper import uses_external_data

from zoosmith.onnx_model.errors import ModelError
from zoosmith.onnx_model.traversal import all_tensors
from zoosmith.onnx_model.wire_format import BYTES, MOST_FIELDS, Buffer, Field, fields, header, serialized_fields

MOST_LOADED_ELEMENTS = 1 << 14
"""A tensor with no more elements is loaded: it may be a shape, axis or scale that the graph's meaning depends on."""

# nor is one loaded in place whose stand-in would save nothing
_LEAST_BYTES = 4096

_MARK = f"in-place-{secrets.token_hex(16)}:"

Kind = Literal["model", "graph", "function", "node", "attribute", "sparse", "tensor"]

# where tensors can stand: kind of message -> field number -> kind of the message in it (onnx.proto)
_CONTAINERS: dict[Kind, dict[int, Kind]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_DIMS, _RAW_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 1, 9, 13, 14


@dataclass(frozen=True)
class Span:
    """Bytes of a file.

    Attributes:
        path: the file.
        offset: where they begin, in bytes.
        length: how many they are.
        stamp: size and time of change of the file when it was read; the bytes are another model's where it differs.
    """

    path: str
    offset: int
    length: int
    stamp: str


def parse_in_place(content: Buffer, path: str | os.PathLike[str]) -> bytes:
    """The serialized model without the data of its large tensors, which stay in the file.

    Args:
        content: all of the file.
        path: the file, for later reads; it must not change until then.

    Raises:
        ModelError: a length in the file points beyond the file's end.
    """
    return b"".join(_without_data(content, 0, len(content), "model", os.fspath(Path(path).absolute()), _stamp(path)))


def span_of(tensor: TensorProto) -> Span | None:
    """Where the data of a tensor lies that was left in the file of its model; None for every other tensor."""
    if not uses_external_data(tensor):
        return None
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if not location.startswith(_MARK):
        return None
    return Span(location.removeprefix(_MARK), int(entries["offset"]), int(entries["length"]), entries["stamp"])


def span_at(path: str | os.PathLike[str], offset: int, length: int) -> Span:
    """Name bytes of a file, which must not change as long as they are used."""
    return Span(os.fspath(Path(path).absolute()), offset, length, _stamp(path))


def point_to(tensor: TensorProto, span: Span) -> None:
    """Leave the data of a tensor in a file: little-endian, row by row, as `raw_data` holds it."""
    tensor.data_location = TensorProto.EXTERNAL
    entries = {"location": _MARK + span.path, "offset": span.offset, "length": span.length, "stamp": span.stamp}
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))


def has_spans(model: ModelProto) -> bool:
    """Whether the data of any tensor of a model was left in its file."""
    return any(span_of(tensor) is not None for tensor in all_tensors(model))


def array_of(tensor: TensorProto) -> np.ndarray | None:
    """The values of a tensor that was left in the file, mapped from there; None for every other tensor.

    Raises:
        ModelError: the file was changed, or the data does not fit type and shape.
    """
    span = span_of(tensor)
    if span is None:
        return None
    check_unchanged(span)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    if prod(tensor.dims) * dtype.itemsize != span.length:
        raise ModelError(
            f"{span.path}: tensor {tensor.name!r} has {span.length} bytes, which its type and shape do not take"
        )
    return np.memmap(span.path, dtype=dtype, mode="r", offset=span.offset, shape=tuple(tensor.dims))


def load_spans(model: ModelProto) -> None:
    """Load the data that was left in the file into the tensors of a model, in place."""
    for tensor in all_tensors(model):
        load_span(tensor)


def load_span(tensor: TensorProto) -> None:
    """Load the data of one tensor into it if it was left in the file."""
    span = span_of(tensor)
    if span is not None:
        check_unchanged(span)
        with open(span.path, "rb") as file:
            file.seek(span.offset)
            tensor.raw_data = file.read(span.length)
        _forget(tensor)


def check_unchanged(span: Span) -> None:
    """Raise ModelError where the file of a span is not the one that was read."""
    try:
        stamp = _stamp(span.path)
    except OSError as error:
        raise ModelError(f"{span.path}: cannot be read: {error.strerror or error}") from error
    if stamp != span.stamp:
        raise ModelError(f"{span.path}: was changed while it was in use; run the command again")


def spliced(content: bytes) -> Iterator[bytes | Span]:
    """The parts of the file of a serialized model: bytes, and spans of other files where tensors were left in them."""
    places = _places(content, _MARK.encode())
    yield from _spliced(memoryview(content), 0, len(content), "model", places)


def length_of(parts: list[bytes | Span]) -> int:
    """How many bytes parts of a file are together."""
    return sum(part.length if isinstance(part, Span) else len(part) for part in parts)


def _stamp(path: str | os.PathLike[str]) -> str:
    found = os.stat(path)
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"


def _without_data(
    content: Buffer, start: int, end: int, kind: Kind, path: str, stamp: str
) -> Iterator[bytes | memoryview]:
    """The bytes of one message, in parts, large tensors in it replaced."""
    if kind == "tensor":
        yield from _tensor_without_data(content, start, end, path, stamp)
        return
    copied = start
    for field in fields(content, start, end):
        inner = _CONTAINERS[kind].get(field.number)
        # a small message cannot hold a large tensor
        if inner is None or field.wire_type != BYTES or field.end - field.start < _LEAST_BYTES:
            continue
        parts = list(_without_data(content, field.start, field.end, inner, path, stamp))
        size = sum(map(len, parts))
        if size == field.end - field.start:
            continue
        yield content[copied : field.begin]
        yield header(field.number, size)
        yield from parts
        copied = field.end
    yield content[copied:end]


def _tensor_without_data(content: Buffer, start: int, end: int, path: str, stamp: str) -> Iterator[bytes | memoryview]:
    found = list(fields(content, start, end))
    raw = [field for field in found if field.number == _RAW_DATA]
    external = any(field.number in (_EXTERNAL_DATA, _DATA_LOCATION) for field in found)
    if len(raw) != 1 or external or raw[0].wire_type != BYTES or not _is_large(content, found, raw[0]):
        yield content[start:end]
        return
    stand_in = TensorProto()
    point_to(stand_in, Span(path, raw[0].start, raw[0].end - raw[0].start, stamp))
    yield content[start : raw[0].begin]
    yield content[raw[0].end : end]
    yield stand_in.SerializeToString(deterministic=True)


def _is_large(content: Buffer, found: list[Field], raw: Field) -> bool:
    if raw.end - raw.start < _LEAST_BYTES:
        return False
    dims = TensorProto()
    for field in found:
        if field.number == _DIMS:
            dims.MergeFromString(bytes(content[field.begin : field.end]))
    return prod(dims.dims) > MOST_LOADED_ELEMENTS


def _places(content: bytes, mark: bytes) -> list[int]:
    places = []
    place = content.find(mark)
    while place >= 0:
        places.append(place)
        place = content.find(mark, place + len(mark))
    return places


def _spliced(content: Buffer, start: int, end: int, kind: Kind, places: list[int]) -> Iterator[bytes | Span]:
    """The parts of one message; `places` is where marks stand in it, ascending."""
    if kind == "tensor":
        yield from _spliced_tensor(TensorProto.FromString(bytes(content[start:end])))
        return
    copied, waiting = start, iter(places)
    place = next(waiting, None)
    for field in fields(content, start, end):
        if place is None:
            break
        if place >= field.end:
            continue
        inside = [place]
        while (place := next(waiting, None)) is not None and place < field.end:
            inside.append(place)
        inner = _CONTAINERS[kind].get(field.number)
        if inner is None:
            raise AssertionError(f"a tensor in field {field.number} of a {kind}")
        parts = list(_spliced(content, field.start, field.end, inner, inside))
        yield bytes(content[copied : field.begin])
        yield header(field.number, length_of(parts))
        yield from parts
        copied = field.end
    yield bytes(content[copied:end])


def _spliced_tensor(tensor: TensorProto) -> Iterator[bytes | Span]:
    span = span_of(tensor)
    assert span is not None
    _forget(tensor)
    yield serialized_fields(tensor, range(_RAW_DATA))
    yield header(_RAW_DATA, span.length)
    yield span
    yield serialized_fields(tensor, range(_RAW_DATA + 1, MOST_FIELDS))


def _forget(tensor: TensorProto) -> None:
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
