"""Reading ONNX models, from files, bytes or messages, with one clear line for what cannot be read."""

import os
from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto
from onnx.external_data_helper import (
    load_external_data_for_model,
    load_external_data_for_tensor,
    uses_external_data,
)

from zoosmith.onnx_model.errors import ModelError, first_line
from zoosmith.onnx_model.in_place import MOST_LOADED_ELEMENTS, parse_in_place, span_of
from zoosmith.onnx_model.traversal import all_tensors
from zoosmith.onnx_model.wire_format import FileBytes

Model = str | os.PathLike[str] | bytes | ModelProto
"""A model as the functions of all rooms take it: a file's path, a file's content, or a message."""


def load_model(model: Model, *, external_data: bool = True) -> ModelProto:
    """Return a model as a message.

    Args:
        model: a path, the file's content, or a message, which is returned as it is.
        external_data: whether tensors that lie in files beside the model are loaded into the message.

    Raises:
        ModelError: the file is missing, is no ONNX model or is truncated; a file of external data is missing, too
            short, or not below the model's own folder. The message names the model.
    """
    if isinstance(model, ModelProto):
        return model
    name = model_name(model)
    loaded = _parsed(_content(model, name), name)
    if external_data and not isinstance(model, bytes):
        try:
            load_external_data_for_model(loaded, os.fspath(Path(model).parent))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise ModelError(f"{name}: its external data cannot be loaded: {first_line(error)}") from error
    return loaded


def load_in_place(path: str | os.PathLike[str]) -> ModelProto:
    """Return a model whose large tensors stay in the file: all of the graph can be read and edited.

    `save_model` copies the tensors from the file to the new one; `in_place.array_of` maps the values of one. Tensors in
    files beside the model stay there too. The file must not change while the model is in use.

    Args:
        path: the model file.

    Raises:
        ModelError: as `load_model` does.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb", buffering=0) as file:
            parsed = parse_in_place(FileBytes(file), path)
    except OSError as error:
        raise ModelError(f"{name}: cannot be read: {error.strerror or error}") from error
    except ModelError as error:
        raise ModelError(f"{name}: expected an ONNX model, found something else or a truncated file") from error
    return _parsed(parsed, name)


def load_small_tensors(model: ModelProto, folder: str | os.PathLike[str]) -> None:
    """Load the small tensors of a model that lie in files beside it: shapes, axes and scales, which its meaning needs.

    Args:
        model: loaded without its external data; changed in place, wherever a tensor can stand.
        folder: the model's own.

    Raises:
        ModelError: a file is missing, too short, or not below the folder.
    """
    for tensor in all_tensors(model):
        if external_location(tensor) is None or prod(tensor.dims) > MOST_LOADED_ELEMENTS:
            continue
        try:
            load_external_data_for_tensor(tensor, os.fspath(folder))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise ModelError(f"{folder}: tensor {tensor.name!r} cannot be loaded: {first_line(error)}") from error
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def model_name(model: Model) -> str:
    """What an error message calls a model: its path, or its graph's name."""
    if isinstance(model, ModelProto):
        return f"model {model.graph.name!r}"
    return "model" if isinstance(model, bytes) else os.fspath(model)


def external_files(model: ModelProto) -> list[str]:
    """Names of the files, relative to the model's folder, that hold tensors of a model loaded without them; sorted."""
    return sorted({location for tensor in all_tensors(model) if (location := external_location(tensor)) is not None})


def external_location(tensor: TensorProto) -> str | None:
    """Name of the file, relative to the model's folder, that holds the data of a tensor; None if the tensor does."""
    if not uses_external_data(tensor) or span_of(tensor) is not None:
        return None
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def _content(model: str | os.PathLike[str] | bytes, name: str) -> bytes:
    if isinstance(model, bytes):
        return model
    try:
        return Path(model).read_bytes()
    except OSError as error:
        raise ModelError(f"{name}: cannot be read: {error.strerror or error}") from error


def _parsed(content: bytes, name: str) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise ModelError(f"{name}: expected an ONNX model, found something else or a truncated file") from error
    if not (model.HasField("graph") and model.ir_version and model.opset_import):
        raise ModelError(f"{name}: expected an ONNX model, found no graph, IR version or opset in it")
    return model
