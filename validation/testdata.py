"""Random inputs for a model: the same on every machine and with every numpy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto

from zoosmith.onnx_model.loading import Model, load_model, model_name
from zoosmith.onnx_model.ports import Port, element_type_name, input_ports
from zoosmith.validation.errors import ValidationError

_SEQUENCE_LENGTH = 2


@dataclass(frozen=True)
class InputShape:
    """What a caller says of an input.

    Attributes:
        sizes: numbers, or names of symbolic dimensions.
        elem_type: the ONNX element type; None leaves it to the model.
    """

    sizes: tuple[int | str, ...]
    elem_type: int | None = None


def random_inputs(
    model: Model,
    *,
    seed: int,
    dims: Mapping[str, int] | None = None,
    shapes: Mapping[str, InputShape] | None = None,
) -> dict[str, Any]:
    """Return one random value for every input of a model that is not an initializer.

    Each input has a stream of its own, chosen by `seed` and the input's position (not its name), of numpy's
    RandomState, whose streams are frozen; values come from them by exact arithmetic only.

    Floats, complex numbers' parts too, are uniform in [-1, 1) and rounded to the type (float8e8m0, which has powers of
    two only: 2**-4 .. 2**3); integers of up to 8 bits are uniform over their type, wider ones over 0 .. 9; booleans are
    even; strings are one to eight letters a-z. A sequence gets two tensors, an optional its tensor.

    Args:
        model: whose inputs are made.
        seed: 0 .. 2**32 - 1.
        dims: sizes of symbolic dimensions by name; one that it does not name, or that has no name, is 1.
        shapes: shapes of inputs by name, where the model states no rank or no size; a number for a symbolic dimension
            is that dimension's size for all inputs.

    Raises:
        ValidationError: an input's type is none of these, or no rank is stated; a name in `dims` or `shapes` that no
            input has, or a shape that contradicts the model.
    """
    name = model_name(model)
    if not 0 <= seed < 2**32:
        raise ValidationError(f"seed {seed} is outside 0 .. {2**32 - 1}")
    required = [port for port in input_ports(load_model(model, external_data=False).graph) if port.required]
    sizes = dict(dims or {})
    required = _with_shapes(required, dict(shapes or {}), sizes, name)
    symbols = {size for port in required for size in port.shape or () if isinstance(size, str)}
    for symbol, size in (dims or {}).items():
        if symbol not in symbols:
            known = ", ".join(sorted(symbols)) or "none"
            raise ValidationError(f"{name}: no input has a dimension named {symbol!r}; named dimensions: {known}")
        if size < 0:
            raise ValidationError(f"{name}: dimension {symbol!r} cannot be {size}")
    return {
        port.name: _value(port, np.random.RandomState([seed, index]), sizes, name)
        for index, port in enumerate(required)
    }


def _with_shapes(ports: list[Port], shapes: dict[str, InputShape], sizes: dict[str, int], model: str) -> list[Port]:
    """The ports as `shapes` completes them; sizes of symbolic dimensions that it gives are added to `sizes`."""
    completed = []
    for port in ports:
        given = shapes.pop(port.name, None)
        if given is None:
            completed.append(port)
            continue
        if given.elem_type not in (None, port.elem_type) and port.elem_type:
            raise ValidationError(
                f"{model}: input {port.name!r} is of {element_type_name(port.elem_type)}, "
                f"not {element_type_name(given.elem_type)}"
            )
        stated = port.shape if port.shape is not None else given.sizes
        agree = len(stated) == len(given.sizes) and all(
            not isinstance(size, int) or size == said for size, said in zip(stated, given.sizes, strict=True)
        )
        for size, said in zip(stated, given.sizes, strict=False):
            if isinstance(size, str) and isinstance(said, int):
                agree = sizes.setdefault(size, said) == said and agree
        if not agree:
            raise ValidationError(
                f"{model}: input {port.name!r} takes shape [{_listed(stated)}], not [{_listed(given.sizes)}]"
            )
        # where a name of the model meets a number, the name stays, so that `dims` may name it, too
        pairs = zip(stated, given.sizes, strict=True)
        shape = tuple(said if size is None or isinstance(said, str) else size for size, said in pairs)
        completed.append(replace(port, shape=shape, elem_type=port.elem_type or given.elem_type or 0))
    if shapes:
        known = ", ".join(repr(port.name) for port in ports) or "none"
        raise ValidationError(f"{model}: has no input {next(iter(shapes))!r}; its inputs are {known}")
    return completed


def _listed(shape: Sequence[int | str | None]) -> str:
    return ", ".join("?" if size is None else str(size) for size in shape)


def _value(port: Port, stream: np.random.RandomState, sizes: dict[str, int], model: str) -> Any:
    if port.kind not in ("tensor", "sequence", "optional") or not port.elem_type:
        raise ValidationError(f"{model}: input {port.name!r} is a {port.kind}, for which no test data can be made")
    if port.shape is None:
        raise ValidationError(f"{model}: input {port.name!r} has no stated rank, so no test data can be made")
    shape = [size if isinstance(size, int) else sizes.get(size or "", 1) for size in port.shape]
    if port.kind == "sequence":
        return [_tensor(port.elem_type, shape, stream) for _ in range(_SEQUENCE_LENGTH)]
    return _tensor(port.elem_type, shape, stream)


def _tensor(elem_type: int, shape: list[int], stream: np.random.RandomState) -> np.ndarray:
    if elem_type == TensorProto.STRING:
        return _strings(shape, stream)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(elem_type)
    if elem_type == TensorProto.FLOAT8E8M0:
        return np.ldexp(1.0, _integers(-4, 4, shape, stream).astype(np.int32)).astype(dtype)
    if dtype.kind == "b":
        return np.asarray(stream.random_sample(shape) < 0.5)
    if dtype.kind == "c":
        parts = stream.random_sample([*shape, 2]) * 2 - 1
        return np.asarray(parts[..., 0] + 1j * parts[..., 1]).astype(dtype)
    limits = _integer_limits(dtype)
    if limits is not None:
        return _integers(*limits, shape, stream).astype(dtype)
    return np.asarray(stream.random_sample(shape) * 2 - 1).astype(dtype)


def _integer_limits(dtype: np.dtype) -> tuple[int, int] | None:
    """The half-open range of an integer type's test values; None for a type of floats."""
    try:
        info = ml_dtypes.iinfo(dtype)  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        return None
    return (int(info.min), int(info.max) + 1) if info.bits <= 8 else (0, 10)


def _integers(low: int, high: int, shape: list[int], stream: np.random.RandomState) -> np.ndarray:
    return np.asarray(np.floor(stream.random_sample(shape) * (high - low)) + low)


def _strings(shape: list[int], stream: np.random.RandomState) -> np.ndarray:
    values = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        length = int(stream.random_sample() * 8) + 1
        values[index] = "".join(chr(ord("a") + int(sample * 26)) for sample in stream.random_sample(length))
    return values
