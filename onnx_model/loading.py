"""Reading ONNX models, from files, bytes or messages, with one clear line for what cannot be read."""

import os
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import ModelProto

from zoosmith.onnx_model.errors import DamagedModelError, ModelError, WireFormatError
from zoosmith.onnx_model.external_data import check_external_data, external_tensors, load_external_data
from zoosmith.onnx_model.file_kinds import HEAD, other_kind
from zoosmith.onnx_model.in_place import parse_in_place
from zoosmith.onnx_model.links import LinkedPath, as_path
from zoosmith.onnx_model.reading import open_regular, read_regular, reading
from zoosmith.onnx_model.soundness import make_sound
from zoosmith.onnx_model.wire_format import FileBytes

Model = str | os.PathLike[str] | bytes | ModelProto
"""A model as the functions of all rooms take it: a file's path, a file's content, or a message."""

_EXPECTED = "an ONNX model"


def load_model(model: Model, *, external_data: bool = True, follow_links: bool = False) -> ModelProto:
    """Return a model as a message.

    Args:
        model: a path, the file's content, or a message, which is returned as it is.
        external_data: whether tensors that lie in files beside the model are loaded into the message.
        follow_links: whether links may lead to these files, as for a `LinkedPath`.

    Returns:
        The model; the message itself where one was given.

    Raises:
        ModelError: the file is missing, not a regular file, no ONNX model, truncated or damaged (see `soundness`); a
            file of external data is missing, too short, or its location is refused (see `external_data`). The message
            names the model.
    """
    if isinstance(model, ModelProto):
        return model
    name = model_name(model)
    content = model if isinstance(model, bytes) else read_regular(model)
    loaded = _parsed(content, name, content[:HEAD])
    if not isinstance(model, bytes):
        _check_or_load(loaded, LinkedPath(model) if follow_links else as_path(model), load=external_data)
    return loaded


def load_in_place(path: str | os.PathLike[str]) -> ModelProto:
    """Return a model whose large tensors stay in the file: all of the graph can be read and edited.

    `save_model` copies the tensors from the file to the new one; `in_place.array_of` maps the values of one. Tensors in
    files beside the model stay there too. The file must not change while the model is in use.

    Args:
        path: the model file; a `LinkedPath` where links may lead to files of external data.

    Raises:
        ModelError: as `load_model` does.
    """
    name = os.fspath(path)
    with reading(path, _EXPECTED), open_regular(path, buffering=0) as file:
        begin = file.read(HEAD)
        try:
            parsed = parse_in_place(FileBytes(file), path)
        except WireFormatError as error:
            raise _no_model(begin) from error
    model = _parsed(parsed, name, begin)
    _check_or_load(model, as_path(path), load=False)
    return model


def load_structure(model: Model) -> ModelProto:
    """Return what a model says of its graph, at the cost of the graph: the data of large tensors may be left in files.

    Args:
        model: as for `load_model`; a message is returned as it is.

    Raises:
        ModelError: as `load_model` does.
    """
    return load_model(model) if isinstance(model, (bytes, ModelProto)) else load_in_place(model)


def model_name(model: Model) -> str:
    """What an error message calls a model: its path, or its graph's name."""
    if isinstance(model, ModelProto):
        return f"model {model.graph.name!r}"
    return "model" if isinstance(model, bytes) else os.fspath(model)


def _no_model(begin: bytes) -> ModelError:
    """The error for a file that begins so and is none, or not all of one."""
    return ModelError(f"expected an ONNX model, found {other_kind(begin) or 'something else or a truncated file'}")


def _parsed(content: bytes, name: str, begin: bytes) -> ModelProto:
    model = ModelProto()
    with reading(name, _EXPECTED):
        try:
            model.ParseFromString(content)
        except DecodeError as error:
            raise _no_model(begin) from error
        if not (model.HasField("graph") and model.ir_version and model.opset_import):
            found = other_kind(begin) or "no graph, IR version or opset in it"
            raise ModelError(f"expected an ONNX model, found {found}")
        try:
            make_sound(model, content)
        except ModelError as error:
            raise DamagedModelError(str(error)) from error
    return model


def _check_or_load(model: ModelProto, path: Path, *, load: bool) -> None:
    """Load external data, or only check where it lies."""
    try:
        if load:
            load_external_data(external_tensors(model), path.parent)
        else:
            check_external_data(model, path.parent)
    except (OSError, ModelError) as error:
        raise DamagedModelError(f"{path}: its external data cannot be loaded: {error}") from error
