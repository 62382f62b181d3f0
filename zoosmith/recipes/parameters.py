"""Parameters of a net: read from an init net or a row, kept in one file that rows are written from."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from onnx import numpy_helper

from zoosmith.convert import read_model
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.parameters import InitNet, read_init_net, refuse_absent_weights
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.external_data import external_tensors, load_external_data
from zoosmith.onnx_model.in_place import MOST_LOADED_ELEMENTS, array_of, span_at
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.recipes.source import FileFacts

_NAME = "parameters"
# offsets are multiples of it, so that every type can be mapped
_ALIGNMENT = 64
_BLOCK = 1 << 20


def read_init_file(path: Path) -> InitNet:
    """Read a file of parameters in any form that `convert.read_model` takes.

    Raises:
        ZoosmithError: it is none, or its parameters are not trained ones.
    """
    try:
        source = read_model(NetDef(), path).init
        init = InitNet() if source is None else read_init_net(source)
    except OSError as error:
        raise ZoosmithError(f"{path}: cannot be read: {error.strerror or error}") from error
    refuse_absent_weights(init.rest, str(path))
    return init


def read_row(path: Path) -> dict[str, Tensor]:
    """Read parameters by blob; a row names a parameter by its blob and the blob's first version, 0."""
    model = load_in_place(path)
    load_external_data(external_tensors(model), path.parent)
    found = {}
    for tensor in model.graph.initializer:
        mapped = array_of(tensor)
        array = numpy_helper.to_array(tensor) if mapped is None else mapped
        found[tensor.name.removesuffix("_0")] = Tensor(array.dtype, array.shape, array.reshape(-1))
    return found


def stored(parameters: Mapping[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """Write parameters to a file of a folder, one after the other, and map them from there.

    Args:
        parameters: by blob.
        folder: where the file is kept as long as they are used.

    Returns:
        The parameters, large ones with the span of their bytes.

    Raises:
        ZoosmithError: the file cannot be written.
    """
    path = folder / _NAME
    places = {}
    try:
        with open(path, "wb") as file:
            for blob, tensor in parameters.items():
                file.write(bytes(-file.tell() % _ALIGNMENT))
                places[blob] = file.tell()
                if isinstance(tensor.content, bytes):
                    file.write(tensor.content)
                    continue
                for first in range(0, len(tensor.content), _BLOCK):
                    file.write(np.ascontiguousarray(tensor.content[first : first + _BLOCK]).data)
        if not path.stat().st_size:
            return dict(parameters)
        mapped = np.memmap(path, np.uint8, "r")
    except OSError as error:
        raise ZoosmithError(f"{path}: cannot be written: {error.strerror or error}") from error
    kept = {}
    for blob, tensor in parameters.items():
        content = mapped[places[blob] : places[blob] + tensor.nbytes].view(np.ndarray).view(tensor.dtype)
        large = content.size > MOST_LOADED_ELEMENTS
        span = span_at(path, places[blob], tensor.nbytes) if large else None
        kept[blob] = Tensor(tensor.dtype, tensor.shape, content, span)
    return kept


def file_facts(path: Path) -> FileFacts:
    """Size and SHA-256 of a file."""
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(_BLOCK):
            digest.update(block)
        return {"bytes": file.tell(), "sha256": digest.hexdigest()}
