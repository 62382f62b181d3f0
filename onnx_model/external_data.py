"""Tensors whose data lies in files beside the model: where, and whether a location may be read at all.

A model names the file itself, so a hostile one could name any file of the machine. A location is taken only where it is
relative, stays below the model's folder, leads over no link, and is a regular file that holds what the tensor needs.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path

from onnx import ModelProto, TensorProto
from onnx.external_data_helper import uses_external_data

from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.errors import ModelError, PathError
from zoosmith.onnx_model.in_place import MOST_LOADED_ELEMENTS, span_of
from zoosmith.onnx_model.links import LinkedPath
from zoosmith.onnx_model.paths import parts_below, regular_file_below
from zoosmith.onnx_model.tensor_data import stored_bytes
from zoosmith.onnx_model.traversal import all_tensors

# of an offset or a length in bytes
_MOST_DIGITS = 25


@dataclass(frozen=True)
class DataSpan:
    """Where the data of a tensor lies.

    Attributes:
        path: the file.
        offset: of the data in it, in bytes.
        length: of the data, in bytes.
    """

    path: Path
    offset: int
    length: int


def external_tensors(model: ModelProto) -> list[TensorProto]:
    """The tensors of a model, wherever they stand, whose data lies in a file beside it."""
    return [tensor for tensor in all_tensors(model) if uses_external_data(tensor) and span_of(tensor) is None]


def external_files(model: ModelProto) -> list[str]:
    """Names of the files, relative to the model's folder, that hold tensors of a model loaded without them; sorted."""
    return sorted({_entries(tensor).get("location", "") for tensor in external_tensors(model)})


def check_external_data(model: ModelProto, folder: Path) -> None:
    """Check every location of external data before anything is opened.

    Args:
        model: loaded without external data.
        folder: of the model's file; links are followed for a `LinkedPath`.

    Raises:
        ModelError: a location is not relative, leaves the folder, leads over a link or to no regular file, or its file
            does not hold the bytes that the tensor's type and shape take.
    """
    for tensor in external_tensors(model):
        data_span(tensor, folder)


def data_span(tensor: TensorProto, folder: Path) -> DataSpan:
    """Where the data of a tensor lies that has external data; checked as by `check_external_data`."""
    entries = _entries(tensor)
    path = _data_path(entries.get("location", ""), folder)
    size, needed = path.stat().st_size, stored_bytes(tensor)
    offset = _number(tensor, entries, "offset", 0)
    length = _number(tensor, entries, "length", needed)
    if length != needed:
        raise ModelError(f"tensor {tensor.name!r} states {length} bytes of data; its type and shape take {needed}")
    if offset + length > size:
        raise ModelError(
            f"tensor {tensor.name!r} needs bytes {offset} to {offset + length} of {path.name}, which has {size}"
        )
    return DataSpan(path, offset, length)


def load_external_data(tensors: Iterable[TensorProto], folder: Path) -> None:
    """Load the data of tensors into them; checked as by `check_external_data`."""
    for tensor in tensors:
        span = data_span(tensor, folder)
        with open(span.path, "rb") as file:
            file.seek(span.offset)
            tensor.raw_data = file.read(span.length)
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")


def load_small_tensors(model: ModelProto, folder: Path) -> None:
    """Load the small tensors of a model that lie in files beside it: shapes, axes and scales, which its meaning needs.

    Args:
        model: loaded without its external data; changed in place, wherever a tensor can stand.
        folder: the model's own.

    Raises:
        ModelError: as `check_external_data` does.
    """
    small = [tensor for tensor in external_tensors(model) if prod(tensor.dims) <= MOST_LOADED_ELEMENTS]
    load_external_data(small, folder)


def _entries(tensor: TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _number(tensor: TensorProto, entries: dict[str, str], key: str, default: int) -> int:
    text = entries.get(key, str(default))
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        raise ModelError(f"tensor {tensor.name!r} states {key} {text[:40]!r} of its data; expected a number of bytes")
    return int(text)


def _data_path(location: str, folder: Path) -> Path:
    try:
        parts_below(location)
    except PathError as error:
        raise ModelError(f"external data at {location!r}: expected a file below the model's own folder") from error
    try:
        return regular_file_below(location, folder, follow_links=isinstance(folder, LinkedPath))
    except OSError as error:
        raise ModelError(f"external data at {location!r}: {os.strerror(error.errno or 0)}") from error
    except PathError as error:
        linked = f", which only {argument('follow_links')} follows" if str(error).endswith("is a link") else ""
        raise ModelError(f"external data at {location!r}: {error}{linked}") from error
