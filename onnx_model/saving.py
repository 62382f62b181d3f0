"""Writing ONNX models: whole or not at all, with tensors beside the model where it is too large for protobuf."""

import os
from collections.abc import Container
from pathlib import Path

import onnx
from google.protobuf.message import EncodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from onnx.external_data_helper import set_external_data

from zoosmith.onnx_model.files import atomic_writer, write_atomic
from zoosmith.onnx_model.traversal import all_tensors

# protobuf can neither write nor read a larger message
_PROTOBUF_LIMIT = 2**31 - 1
# tensors smaller than this stay in the model, where a reader of shapes and axes finds them
_SMALLEST_EXTERNAL = 1024
# what operating systems map files by
_ALIGNMENT = 4096
# tensors that are larger together are written one by one
_STREAMED = 8 << 20
# field numbers: of the graph in a model, of the initializers in a graph, and more than any
_GRAPH, _INITIALIZER, _MOST = 7, 5, 1 << 29


def save_model(model: onnx.ModelProto, path: str | os.PathLike[str]) -> None:
    """Write a model; above protobuf's 2 GiB its large tensors go to one file `<name>.data` beside it.

    The file is whole or not there. The same model gives the same bytes.

    Args:
        model: the model; it is left as it was.
        path: where it goes.

    Raises:
        ZoosmithError: a file cannot be written.
    """
    if _stream(model, path):
        return
    try:
        content = model.SerializeToString(deterministic=True)
    except EncodeError:  # above protobuf's limit
        content = None
    if content is not None and len(content) <= _PROTOBUF_LIMIT:
        write_atomic(path, content)
        return
    target = Path(path)
    moved: list[tuple[onnx.TensorProto, bytes]] = []
    try:
        with atomic_writer(target.with_name(f"{target.name}.data")) as file:
            for tensor in all_tensors(model):
                if len(tensor.raw_data) < _SMALLEST_EXTERNAL:
                    continue
                file.write(bytes(-file.tell() % _ALIGNMENT))
                set_external_data(tensor, f"{target.name}.data", file.tell(), len(tensor.raw_data))
                file.write(tensor.raw_data)
                moved.append((tensor, tensor.raw_data))
                tensor.ClearField("raw_data")
        write_atomic(target, model.SerializeToString(deterministic=True))
    finally:
        for tensor, raw in moved:
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
            tensor.raw_data = raw


def _stream(model: onnx.ModelProto, path: str | os.PathLike[str]) -> bool:
    """Write the same bytes tensor by tensor, where the tensors are large; tells whether it did.

    One buffer for all would be fresh memory, several times over, and getting that costs more than writing the file.
    """
    graph = model.graph
    sizes = [tensor.ByteSize() for tensor in graph.initializer]
    if sum(sizes) < _STREAMED or len(UnknownFieldSet(model)) or len(UnknownFieldSet(graph)):
        return False
    headers = [_header(_INITIALIZER, size) for size in sizes]
    begin, end = _part(graph, range(_INITIALIZER)), _part(graph, range(_INITIALIZER + 1, _MOST))
    size = len(begin) + sum(map(len, headers)) + sum(sizes) + len(end)
    begin = _part(model, range(_GRAPH)) + _header(_GRAPH, size) + begin
    end += _part(model, range(_GRAPH + 1, _MOST))
    if len(begin) + size + len(end) > _PROTOBUF_LIMIT:
        return False
    with atomic_writer(path) as file:
        file.write(begin)
        for header, tensor in zip(headers, graph.initializer, strict=True):
            file.write(header)
            file.write(tensor.SerializeToString(deterministic=True))
        file.write(end)
    return True


def _header(number: int, size: int) -> bytes:
    """What stands before a message in the field of this number: a tag and the message's size."""
    header = [number << 3 | 2]
    while size > 0x7F:
        header.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*header, size])


def _part(message: Message, numbers: Container[int]) -> bytes:
    """Serialize the fields of these numbers."""
    part = type(message)()
    for field, value in message.ListFields():
        if field.number not in numbers:
            continue
        if isinstance(value, (bool, int, float, str, bytes)):
            setattr(part, field.name, value)
        else:
            getattr(part, field.name).MergeFrom(value)
    return part.SerializeToString(deterministic=True)
