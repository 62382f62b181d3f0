"""What goes into a model: the names, types and shapes of its inputs."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, TypeProto

from validation.errors import ValidationError

Model = str | os.PathLike[str] | bytes | onnx.ModelProto
"""A model as the functions of this room take it: a file's path, a file's content, or a message."""

_KINDS = {"tensor_type": "tensor", "sequence_type": "sequence", "optional_type": "optional"}


@dataclass(frozen=True)
class Port:
    """One input of a model.

    `kind` is "tensor", "sequence", "optional" or another kind's field name; `elem_type` is the onnx element type of the
    tensor (inside sequences and optionals, too) or 0; `shape` has an int or a symbolic name (None if unnamed) for each
    dimension, and is None where the model states no rank. An input that is not `required` has an initializer.
    """

    name: str
    kind: str
    elem_type: int
    shape: tuple[int | str | None, ...] | None
    required: bool = True


def load_structure(model: Model) -> onnx.ModelProto:
    """Return `model` as a message; data kept in files beside it stays there. Raises ValidationError."""
    return _load(model, external_data=False)


def load_whole(model: Model) -> onnx.ModelProto:
    """Return `model` as a message with all its tensors, those in files beside it too. Raises ValidationError."""
    return _load(model, external_data=True)


def model_name(model: Model) -> str:
    """Return what an error message calls `model`: its path, or its graph's name."""
    if isinstance(model, onnx.ModelProto):
        return f"model {model.graph.name!r}"
    return "model" if isinstance(model, bytes) else os.fspath(model)


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of the default operator set that `model` declares; 1 where it declares none."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)


def ports(graph: onnx.GraphProto) -> list[Port]:
    """Return the inputs of `graph` in their order."""
    defaults = {tensor.name for tensor in graph.initializer}
    defaults |= {tensor.values.name for tensor in graph.sparse_initializer}
    return [_port(value, value.name not in defaults) for value in graph.input]


def check_inputs(expected: Iterable[Port], given: Iterable[str], model: str) -> None:
    """Raise ValidationError where a required input of `model`, unless an optional, is not given or one is unknown."""
    expected, given = list(expected), list(given)
    known = [port.name for port in sorted(expected, key=lambda port: not port.required)]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValidationError(f"{model}: has no input {unknown[0]!r}; its inputs are {_listed(known)}")
    missing = [p.name for p in expected if p.required and p.kind != "optional" and p.name not in given]
    if missing:
        raise ValidationError(f"{model}: no value given for input {missing[0]!r}; given are {_listed(given)}")


def check_tensor(port: Port, array: np.ndarray, model: str) -> None:
    """Raise ValidationError where `array` has not the element type or a shape that tensor `port` of `model` takes."""
    wanted = onnx.helper.tensor_dtype_to_np_dtype(port.elem_type) if port.elem_type else array.dtype
    text = port.elem_type == TensorProto.STRING and array.dtype.kind in "OUS"
    if array.dtype != wanted and not text:
        raise ValidationError(f"{model}: input {port.name!r} takes {wanted}, not {array.dtype}")
    if port.shape is None:
        return
    fits = len(port.shape) == array.ndim and all(
        not isinstance(size, int) or size == got for size, got in zip(port.shape, array.shape, strict=True)
    )
    if not fits:
        sizes = ", ".join("?" if size is None else str(size) for size in port.shape)
        raise ValidationError(f"{model}: input {port.name!r} takes shape [{sizes}], not {list(array.shape)}")


def _load(model: Model, *, external_data: bool) -> onnx.ModelProto:
    if isinstance(model, onnx.ModelProto):
        return model
    name = model_name(model)
    try:
        if isinstance(model, bytes):
            loaded = onnx.ModelProto.FromString(model)
        else:
            if not Path(model).is_file():
                raise ValidationError(f"{name}: no such file; an ONNX model is expected")
            loaded = onnx.load(model, format="protobuf", load_external_data=external_data)
    except DecodeError as error:
        raise ValidationError(f"{name}: not an ONNX model, or a truncated one") from error
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ValidationError(f"{name}: cannot be read: {' '.join(str(error).split())}") from error
    if not loaded.HasField("graph"):
        raise ValidationError(f"{name}: not an ONNX model: it holds no graph")
    return loaded


def _port(value: onnx.ValueInfoProto, required: bool) -> Port:
    field = value.type.WhichOneof("value")
    kind, inner = _KINDS.get(field, field or "untyped"), value.type
    while inner.WhichOneof("value") in ("sequence_type", "optional_type"):
        inner = getattr(inner, inner.WhichOneof("value")).elem_type
    if inner.WhichOneof("value") != "tensor_type":
        return Port(value.name, kind, 0, None, required)
    return Port(value.name, kind, inner.tensor_type.elem_type, _shape(inner.tensor_type), required)


def _shape(tensor: TypeProto.Tensor) -> tuple[int | str | None, ...] | None:
    if not tensor.HasField("shape"):
        return None
    return tuple(_dimension(dim) for dim in tensor.shape.dim)


def _dimension(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    if dim.HasField("dim_value"):
        # some exporters write an unknown size as -1
        return dim.dim_value if dim.dim_value >= 0 else None
    return dim.dim_param or None


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:8]) + (", ..." if len(names) > 8 else "") if names else "none"
