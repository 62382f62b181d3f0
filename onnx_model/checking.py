"""Whether a model file is valid: onnx's checker on its graph, and what the checker does not see."""

import os
from math import prod

import onnx
from onnx import FunctionProto, ModelProto, TensorProto, helper
from onnx.external_data_helper import uses_external_data

from zoosmith.onnx_model.errors import InvalidModelError, first_line
from zoosmith.onnx_model.external_data import load_small_tensors
from zoosmith.onnx_model.links import as_path
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.onnx_model.opsets import default_opset, is_standard
from zoosmith.onnx_model.shape_inference import hide_long_vectors
from zoosmith.onnx_model.temporary import temporary_folder
from zoosmith.onnx_model.traversal import all_nodes, all_tensors

# below it Reshape has its shape in an attribute, which the schema calls optional and no runtime does without
_RESHAPE_WITH_INPUT = 5
_DATA = "data"


def check_file(path: str | os.PathLike[str], structure: ModelProto | None = None) -> None:
    """Check an ONNX file with onnx's checker in full, and for what it does not see.

    The data of large tensors is not read.

    Args:
        path: the file; data in files beside it is found.
        structure: what `load_in_place` gives for it, where it was loaded already; it is left as it was.

    Raises:
        InvalidModelError: the file is not valid.
        ModelError: it cannot be read.
    """
    model = ModelProto()
    model.CopyFrom(load_in_place(path) if structure is None else structure)
    load_small_tensors(model, as_path(path).parent)
    hide_long_vectors(model)
    # the checker wants to find the data of every tensor, but reads none of a large one: a file of holes is enough
    with temporary_folder() as folder:
        length = max(map(_without_data, all_tensors(model)), default=0)
        with open(folder / _DATA, "wb") as data:
            data.truncate(length)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        try:
            onnx.checker.check_model(os.fspath(folder / "model.onnx"), full_check=True)
        except Exception as error:  # its C++ core raises errors without a common base
            raise InvalidModelError(f"onnx's checker refuses it: {first_line(error)}") from error
    _check_reshapes(model)


def _check_reshapes(model: ModelProto) -> None:
    bodies: list[ModelProto | FunctionProto] = [model, *model.functions]
    for body in bodies:
        if (default_opset(body) or 1) >= _RESHAPE_WITH_INPUT:
            continue
        for node in all_nodes(body.graph if isinstance(body, ModelProto) else body):
            if is_standard(node, "Reshape") and not any(attribute.name == "shape" for attribute in node.attribute):
                raise InvalidModelError(f"node {node.name!r} (Reshape) has no shape, which it needs below opset 5")


def _without_data(tensor: TensorProto) -> int:
    """Point a tensor that lies in a file at the file of holes; returns the bytes that it takes."""
    if not uses_external_data(tensor):
        return 0
    length = prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    del tensor.external_data[:]
    for key, value in (("location", _DATA), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return length
