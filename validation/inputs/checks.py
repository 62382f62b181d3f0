"""Whether values fit the inputs of a model: names, element types and shapes."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from zoosmith.onnx_model.ports import Port
from zoosmith.validation.errors import ValidationError


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


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:8]) + (", ..." if len(names) > 8 else "") if names else "none"


def checked_inputs(expected: list[Port], inputs: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The values as a runner takes them: arrays, None for an optional that is not given.

    Raises ValidationError as `check_inputs` and `check_tensor` do.
    """
    check_inputs(expected, inputs, model)
    feeds: dict[str, Any] = dict(inputs)
    for port in expected:
        if port.kind == "optional":
            feeds.setdefault(port.name, None)
        if port.kind == "tensor" and port.name in feeds:
            feeds[port.name] = np.asarray(feeds[port.name])
            check_tensor(port, feeds[port.name], model)
    return feeds
