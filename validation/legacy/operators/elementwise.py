"""Operators on single elements: one-directional broadcasting by `axis`, bounds as attributes, equal shapes only."""

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from zoosmith.validation.legacy.registry import legacy

Array = np.ndarray


def _sigmoid(x: Array) -> Array:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


# Below 6 these carry `consumed_inputs`, which the evaluator's own do not know; their meaning did not change since.
_UNARY: dict[str, Callable[[Array], Array]] = {
    "Abs": np.abs,
    "Ceil": np.ceil,
    "Exp": np.exp,
    "Floor": np.floor,
    "Log": np.log,
    "Neg": np.negative,
    "Reciprocal": lambda x: 1 / x,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": _sigmoid,
    "Sqrt": np.sqrt,
    "Tanh": np.tanh,
}


def _unary(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda x: function(x).astype(x.dtype, copy=False)


for _name, _function in _UNARY.items():
    legacy(_name, first=1, last=5)(_unary(_function))


@legacy("Elu", first=1, last=5)
def _elu(x: Array, alpha: float) -> Array:
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x).astype(x.dtype, copy=False)


@legacy("HardSigmoid", first=1, last=5)
def _hard_sigmoid(x: Array, alpha: float, beta: float) -> Array:
    return np.clip(alpha * x + beta, 0, 1).astype(x.dtype, copy=False)


@legacy("LeakyRelu", first=1, last=5)
def _leaky_relu(x: Array, alpha: float) -> Array:
    return np.where(x < 0, alpha * x, x).astype(x.dtype, copy=False)


@legacy("Selu", first=1, last=5)
def _selu(x: Array, alpha: float, gamma: float) -> Array:
    return (gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))).astype(x.dtype, copy=False)


@legacy("Clip", first=1, last=10)
def _clip(x: Array, min: float | None = None, max: float | None = None) -> Array:
    return x if min is None and max is None else np.clip(x, min, max).astype(x.dtype, copy=False)


@legacy("PRelu", first=1, last=6)
def _prelu(x: Array, slope: Array) -> Array:
    if slope.size == 1:
        slope = slope.reshape(())
    elif slope.ndim == 1 and x.ndim > 1 and slope.shape[0] == x.shape[1]:
        slope = slope.reshape(-1, *[1] * (x.ndim - 2))
    elif slope.shape != x.shape:
        raise ValueError(
            f"slope has shape {list(slope.shape)}; one value, or one per channel of {list(x.shape)}, is allowed"
        )
    return np.where(x < 0, slope * x, x).astype(x.dtype, copy=False)


def _aligned(a: Array, b: Array, axis: int | None, broadcast: int) -> Array:
    """Return `b` in a shape that numpy broadcasts to that of `a` as opsets below 7 say."""
    if not broadcast:
        if a.shape != b.shape:
            raise ValueError(f"shapes {list(a.shape)} and {list(b.shape)} differ and broadcast is not set")
        return b
    if b.size == 1 and b.ndim <= a.ndim:
        return b.reshape(())
    start = a.ndim - b.ndim if axis is None else axis + (a.ndim if axis < 0 else 0)
    if start < 0 or a.shape[start : start + b.ndim] != b.shape:
        raise ValueError(f"shape {list(b.shape)} is no contiguous part of {list(a.shape)} at axis {start}")
    return b.reshape(*b.shape, *[1] * (a.ndim - start - b.ndim))


def _divide(a: Array, b: Array) -> Array:
    # integers divide towards zero, as in C; numpy's floor division rounds down
    if a.dtype.kind not in "iu":
        return a / b
    quotient = a // b
    return quotient + ((a % b != 0) & ((a < 0) != (b < 0))).astype(a.dtype)


_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "Add": np.add,
    "Div": _divide,
    "Mul": np.multiply,
    "Pow": np.power,
    "Sub": np.subtract,
    "And": np.logical_and,
    "Equal": np.equal,
    "Greater": np.greater,
    "Less": np.less,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}


def _binary(function: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def compute(a: Array, b: Array, axis: int | None = None, broadcast: int = 0) -> Array:
        return np.asarray(function(a, _aligned(a, b, axis, broadcast)))

    return compute


for _name, _combine in _BINARY.items():
    legacy(_name, first=1, last=6)(_binary(_combine))


def _same_shape(inputs: Sequence[Array]) -> None:
    shapes = {array.shape for array in inputs}
    if len(shapes) > 1:
        raise ValueError(
            f"shapes {' and '.join(str(list(s)) for s in sorted(shapes))} differ; opset 8 allows that first"
        )


@legacy("Sum", first=1, last=7)
def _sum(*inputs: Array) -> Array:
    _same_shape(inputs)
    return np.asarray(reduce(np.add, inputs))


@legacy("Mean", first=1, last=7)
def _mean(*inputs: Array) -> Array:
    return (_sum(*inputs) / len(inputs)).astype(inputs[0].dtype)


@legacy("Max", first=1, last=7)
def _max(*inputs: Array) -> Array:
    _same_shape(inputs)
    return np.asarray(reduce(np.maximum, inputs))


@legacy("Min", first=1, last=7)
def _min(*inputs: Array) -> Array:
    _same_shape(inputs)
    return np.asarray(reduce(np.minimum, inputs))
