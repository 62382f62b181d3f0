"""Writing ONNX models: whole or not at all, with tensors beside the model where it is too large for protobuf."""

import hashlib
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import onnx
from google.protobuf.message import EncodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from onnx.external_data_helper import set_external_data

from zoosmith.onnx_model.errors import ModelError
from zoosmith.onnx_model.external_data import data_span, external_tensors
from zoosmith.onnx_model.files import atomic_writer, write_atomic
from zoosmith.onnx_model.in_place import check_unchanged, has_spans, length_of, span_of, spliced
from zoosmith.onnx_model.links import as_path
from zoosmith.onnx_model.traversal import all_tensors
from zoosmith.onnx_model.wire_format import MOST_FIELDS, header, serialized_fields

# protobuf can neither write nor read a larger message
_PROTOBUF_LIMIT = 2**31 - 1
# tensors smaller than this stay in the model, where a reader of shapes and axes finds them
_SMALLEST_EXTERNAL = 1024
# what operating systems map files by
_ALIGNMENT = 4096
# tensors that are larger together are written one by one
_STREAMED = 8 << 20
# bytes that are copied at a time
_BLOCK = 1 << 20
# field numbers: of the graph in a model, of the initializers in a graph
_GRAPH, _INITIALIZER = 7, 5


def save_model(
    model: onnx.ModelProto,
    path: str | os.PathLike[str],
    *,
    source: str | os.PathLike[str] | None = None,
) -> None:
    """Write a model; above protobuf's 2 GiB its large tensors go to a file beside it.

    The file is whole or not there. The same model gives the same bytes.

    Args:
        model: the model; it is left as it was.
        path: where it goes.
        source: folder of the files that hold tensors of the model, where it was loaded without them (a `LinkedPath`
            where links may lead to them). In that folder
            they are shared, untouched; elsewhere all tensors in such files go to one new file, which is named after the
            model and a hash of its content, and is there before the model is: an old model never meets new data.

    Raises:
        ZoosmithError: a file cannot be read or written.
    """
    if source is not None and Path(source).resolve() != Path(path).parent.resolve() and external_tensors(model):
        _write_with_data_file(model, Path(path), as_path(source))
        return
    if has_spans(model):
        _write_around_spans(model, Path(path))
        return
    if _stream(model, path):
        return
    try:
        content = model.SerializeToString(deterministic=True)
    except EncodeError:  # above protobuf's limit
        content = None
    if content is not None and len(content) <= _PROTOBUF_LIMIT:
        write_atomic(path, content)
    else:
        _write_with_data_file(model, Path(path))


def _write_around_spans(model: onnx.ModelProto, path: Path) -> None:
    """Write a model of which large tensors lie in the file that it was read from: their bytes are copied from there."""
    parts = list(spliced(model.SerializeToString(deterministic=True)))
    if length_of(parts) > _PROTOBUF_LIMIT:
        _write_with_data_file(model, path)
        return
    with atomic_writer(path) as file, ExitStack() as sources:
        opened: dict[str, IO[bytes]] = {}
        for part in parts:
            if isinstance(part, bytes):
                file.write(part)
                continue
            if part.path not in opened:
                check_unchanged(part)
                opened[part.path] = sources.enter_context(open(part.path, "rb"))
            _copy_span(opened[part.path], part.offset, part.length, file)


def _copy_span(source: IO[bytes], offset: int, length: int, target: IO[bytes]) -> None:
    """Copy bytes from file to file: in blocks, as the kernel's own copy takes half as long again between odd places."""
    block = memoryview(bytearray(min(_BLOCK, length)))
    source.seek(offset)
    left = length
    while left and (count := source.readinto(block[:left])):  # type: ignore[attr-defined]  # IO lacks it
        target.write(block[:count])
        left -= count
    if left:
        raise ModelError(f"{source.name}: was cut while it was in use; run the command again")


def _write_with_data_file(model: onnx.ModelProto, target: Path, folder: Path | None = None) -> None:
    """Write a model with its large tensors in one data file; `model` is left as it was.

    Args:
        model: the model.
        target: where the model goes; the data file goes beside it.
        folder: of files that hold tensors of it; then the tensors in them move, and no others.
    """
    kept: list[tuple[onnx.TensorProto, onnx.TensorProto]] = []
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=target.parent) as data:
            digest = hashlib.sha256()
            places = []
            for tensor in all_tensors(model) if folder is None else external_tensors(model):
                if folder is None and _size_in_model(tensor) < _SMALLEST_EXTERNAL:
                    continue
                data.write(bytes(-data.tell() % _ALIGNMENT))
                offset = data.tell()
                _write_data(tensor, data, folder)
                places.append((tensor, offset, data.tell() - offset))
            data.seek(0)
            while block := data.read(_BLOCK):
                digest.update(block)
            name = f"{target.name}.{digest.hexdigest()[:16]}.data"
            if not _same_size(target.with_name(name), data.tell()):
                data.seek(0)
                with atomic_writer(target.with_name(name)) as file:
                    shutil.copyfileobj(data, file, _BLOCK)
        for tensor, offset, size in places:
            original = onnx.TensorProto()
            original.CopyFrom(tensor)
            kept.append((tensor, original))
            tensor.ClearField("external_data")
            tensor.raw_data = b""
            set_external_data(tensor, name, offset, size)
            tensor.ClearField("raw_data")
        write_atomic(target, model.SerializeToString(deterministic=True))
    except OSError as error:
        raise ModelError(f"{target}: its data file cannot be written: {error.strerror or error}") from error
    finally:
        for tensor, original in kept:
            tensor.CopyFrom(original)


def _size_in_model(tensor: onnx.TensorProto) -> int:
    span = span_of(tensor)
    return len(tensor.raw_data) if span is None else span.length


def _write_data(tensor: onnx.TensorProto, target: IO[bytes], folder: Path | None) -> None:
    """Copy the data of a tensor from wherever it lies."""
    span = span_of(tensor)
    if span is not None:
        check_unchanged(span)
        with open(span.path, "rb") as source:
            _copy_span(source, span.offset, span.length, target)
    elif folder is not None:
        found = data_span(tensor, folder)
        with open(found.path, "rb") as source:
            _copy_span(source, found.offset, found.length, target)
    else:
        target.write(tensor.raw_data)


def _same_size(path: Path, size: int) -> bool:
    """Whether a data file is there already: its name carries the hash of its content."""
    return path.is_file() and path.stat().st_size == size


def _stream(model: onnx.ModelProto, path: str | os.PathLike[str]) -> bool:
    """Write the same bytes tensor by tensor, where the tensors are large; returns whether it did.

    One buffer for all would be fresh memory, several times over, and getting that costs more than writing the file.
    """
    graph = model.graph
    sizes = [tensor.ByteSize() for tensor in graph.initializer]
    if sum(sizes) < _STREAMED or len(UnknownFieldSet(model)) or len(UnknownFieldSet(graph)):
        return False
    headers = [header(_INITIALIZER, size) for size in sizes]
    begin, end = (
        serialized_fields(graph, range(_INITIALIZER)),
        serialized_fields(graph, range(_INITIALIZER + 1, MOST_FIELDS)),
    )
    size = len(begin) + sum(map(len, headers)) + sum(sizes) + len(end)
    begin = serialized_fields(model, range(_GRAPH)) + header(_GRAPH, size) + begin
    end += serialized_fields(model, range(_GRAPH + 1, MOST_FIELDS))
    if len(begin) + size + len(end) > _PROTOBUF_LIMIT:
        return False
    with atomic_writer(path) as file:
        file.write(begin)
        for head, tensor in zip(headers, graph.initializer, strict=True):
            file.write(head)
            file.write(tensor.SerializeToString(deterministic=True))
        file.write(end)
    return True
