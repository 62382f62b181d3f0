"""Random inputs for a model: the same on every machine and with every numpy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto

from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.loading import Model, load_structure, model_name
from zoosmith.onnx_model.ports import Port, element_type_name, input_ports
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.inputs.sizes import concrete_shapes, open_sizes
from zoosmith.validation.inputs.wanted_values import WantedValues, integer_range, wanted_values

_SEQUENCE_LENGTH = 2
# of one input: a gigabyte of the numbers that random values are made of
_MOST_ELEMENTS = 1 << 27
# of random floats that are to reach what operators do beyond 1
_REACH = 4
_SHARE_OF_CORNERS = 0.25
_MAY_BE_NUMBERS = set(TensorProto.DataType.values()) - {TensorProto.STRING, TensorProto.BOOL, TensorProto.UNDEFINED}

Manner = Literal["plain", "corners", "small"]
"""How random values are chosen, see `random_inputs`."""


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
    manner: Manner = "plain",
) -> dict[str, Any]:
    """Return one random value for every input of a model that is not an initializer.

    Each input has a stream of its own, chosen by `seed` and the input's position (not its name), of numpy's
    RandomState, whose streams are frozen; values come from them by exact arithmetic only.

    Floats, complex numbers' parts too, are uniform in [-1, 1) and rounded to the type (float8e8m0, which has powers of
    two only: 2**-4 .. 2**3); integers of up to 8 bits are uniform over their type, wider ones over 0 .. 9; booleans are
    even; strings are one to eight letters a-z. A sequence gets two tensors, an optional its tensor. Numbers that are
    indices, as the graph tells, stay inside of what they index, [-n, n - 1].

    Args:
        model: whose inputs are made.
        seed: 0 .. 2**32 - 1.
        dims: sizes of symbolic dimensions by name; one that it does not name, or that has no name, is 1.
        shapes: shapes of inputs by name, where the model states no rank or no size; a number for a symbolic dimension
            is that dimension's size for all inputs.
        manner: `corners`: floats are uniform in [-4, 4), and a quarter of all numbers are those at which the operators
            of the model change their course; `small`: integers are 0 or 1.

    Returns:
        The values by the names of the inputs; the same arguments give the same bits everywhere.

    Raises:
        ValidationError: an input's type is none of these, or no rank is stated; a name in `dims` or `shapes` that no
            input has, or a shape that contradicts the model.
    """
    name = model_name(model)
    if not 0 <= seed < 2**32:
        raise ValidationError(f"seed {seed} is outside 0 .. {2**32 - 1}")
    structure = load_structure(model)
    sizes = dict(dims or {})
    ports = described_inputs(structure, shapes or {}, sizes, name)
    made = concrete_shapes(ports, sizes)
    wanted = wanted_values(structure, made) if any(port.elem_type in _MAY_BE_NUMBERS for port in ports) else {}
    return {
        port.name: _value(
            port,
            made.get(port.name),
            _Maker(np.random.RandomState([seed, index]), manner, wanted.get(port.name, WantedValues())),
            name,
        )
        for index, port in enumerate(ports)
    }


def described_inputs(
    structure: onnx.ModelProto, shapes: Mapping[str, InputShape], sizes: dict[str, int], name: str
) -> list[Port]:
    """The inputs that are no initializers, with what a caller says of them.

    Args:
        structure: whose inputs they are.
        shapes: of inputs by name.
        sizes: of symbolic dimensions by name; those that `shapes` gives are added.
        name: of the model, for messages.

    Raises:
        ValidationError: as `random_inputs` does for names, shapes and sizes.
    """
    given = list(sizes.items())
    required = [_without_nameless(port) for port in input_ports(structure.graph) if port.required]
    required = _with_shapes(required, dict(shapes), sizes, name)
    symbols = {size.name for size in open_sizes(required)}
    for symbol, size in given:
        if symbol not in symbols:
            known = ", ".join(sorted(symbols)) or "none"
            raise ValidationError(f"{name}: no input has a dimension named {symbol!r}; named dimensions: {known}")
        if size < 0:
            raise ValidationError(f"{name}: dimension {symbol!r} cannot be {size}")
    return required


def _without_nameless(port: Port) -> Port:
    """None for sizes that some exporters name `?`: they are not equal to each other."""
    if port.shape is None:
        return port
    sizes = (size if isinstance(size, int) or any(map(str.isalnum, size or "")) else None for size in port.shape)
    return replace(port, shape=tuple(sizes))


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


def _value(port: Port, shape: Sequence[int] | None, maker: "_Maker", model: str) -> Any:
    if port.kind not in ("tensor", "sequence", "optional") or not port.elem_type:
        raise ValidationError(f"{model}: input {port.name!r} is a {port.kind}, for which no test data can be made")
    if shape is None:
        raise ValidationError(
            f"{model}: input {port.name!r} has no stated rank, so no test data can be made; "
            f"give its shape, as in {argument('shapes', f'{port.name}=1,3,64,64')}"
        )
    count = prod(max(1, size) for size in shape)
    if count > _MOST_ELEMENTS:
        sizes = ", ".join(map(str, shape))
        raise ValidationError(
            f"{model}: input {port.name!r} of shape [{sizes}] has {count:,} elements; random values are made for at "
            f"most {_MOST_ELEMENTS:,}: give data with {argument('feed', 'FILE')}"
        )
    if port.kind == "sequence":
        return [maker.tensor(port.elem_type, shape) for _ in range(_SEQUENCE_LENGTH)]
    return maker.tensor(port.elem_type, shape)


@dataclass(frozen=True)
class _Maker:
    """Makes the values of one input."""

    stream: np.random.RandomState
    manner: Manner
    wanted: WantedValues

    def tensor(self, elem_type: int, shape: Sequence[int]) -> np.ndarray:
        if elem_type == TensorProto.STRING:
            return _strings(shape, self.stream)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(elem_type)
        if elem_type == TensorProto.FLOAT8E8M0:
            return np.ldexp(1.0, self._integers(-4, 4, shape).astype(np.int32)).astype(dtype)
        if dtype.kind == "b":
            return np.asarray(self.stream.random_sample(shape) < 0.5)
        if dtype.kind == "c":
            parts = self.stream.random_sample([*shape, 2]) * 2 - 1
            return np.asarray(parts[..., 0] + 1j * parts[..., 1]).astype(dtype)
        limits = _integer_limits(dtype)
        numbers = self._floats(shape) if limits is None else self._numbers(dtype, limits, shape)
        with np.errstate(all="ignore"):
            return np.asarray(self._with_corners(numbers)).astype(dtype)

    def _floats(self, shape: Sequence[int]) -> np.ndarray:
        low, high = self.wanted.low, self.wanted.high
        if np.isfinite(low) and np.isfinite(high) and high >= low:
            # cut to integers they are inside
            return np.asarray(self.stream.random_sample(shape) * (high - low) + low)
        reach = _REACH if self.manner == "corners" else 1
        return np.asarray((self.stream.random_sample(shape) * 2 - 1) * reach)

    def _numbers(self, dtype: np.dtype, limits: tuple[int, int], shape: Sequence[int]) -> np.ndarray:
        info = ml_dtypes.iinfo(dtype)  # type: ignore[no-untyped-call]
        if self.manner == "small":
            limits = (0, 2)
        low, high = integer_range(self.wanted, *limits)
        return self._integers(max(low, int(info.min)), min(high, int(info.max) + 1), shape)

    def _integers(self, low: int, high: int, shape: Sequence[int]) -> np.ndarray:
        return np.asarray(np.floor(self.stream.random_sample(shape) * (high - low)) + low)

    def _with_corners(self, numbers: np.ndarray) -> np.ndarray:
        low, high = self.wanted.low, self.wanted.high
        corners = np.array([corner for corner in self.wanted.corners if low <= corner <= high])
        if self.manner != "corners" or not len(corners):
            return numbers
        chosen = corners[(self.stream.random_sample(numbers.shape) * len(corners)).astype(np.int64)]
        return np.where(self.stream.random_sample(numbers.shape) < _SHARE_OF_CORNERS, chosen, numbers)


def _integer_limits(dtype: np.dtype) -> tuple[int, int] | None:
    """The half-open range of an integer type's test values; None for a type of floats."""
    try:
        info = ml_dtypes.iinfo(dtype)  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        return None
    return (int(info.min), int(info.max) + 1) if info.bits <= 8 else (0, 10)


def _strings(shape: Sequence[int], stream: np.random.RandomState) -> np.ndarray:
    values = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        length = int(stream.random_sample() * 8) + 1
        values[index] = "".join(chr(ord("a") + int(sample * 26)) for sample in stream.random_sample(length))
    return values
