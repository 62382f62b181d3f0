"""Operators on two tensors, with Caffe2's two ways of broadcasting."""

from collections.abc import Callable

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import is_float, settled


def aligned(op: Operator, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both operands, ready for numpy's broadcasting; with `broadcast=1` the second one moved under its axis."""
    if not op.flag("broadcast"):
        return a, b
    if b.size == 1:
        return a, b.reshape(())
    axis = _legacy_axis(op)
    if axis == -1:
        axis = a.ndim - b.ndim
    if not 0 <= axis <= a.ndim - b.ndim:
        raise op.error(f"second operand {b.shape} does not fit the first {a.shape} from axis {axis}")
    # Ones at either end of the second operand match anything; those inside must equal the first's dimension.
    real = [n for n, size in enumerate(b.shape) if size != 1]
    first, last = real[0], real[-1] + 1
    if a.shape[axis + first : axis + last] != b.shape[first:last]:
        raise op.error(f"second operand {b.shape} does not fit the first {a.shape} from axis {axis}")
    return a, b.reshape(*b.shape[first:last], *[1] * (a.ndim - axis - last))


def _legacy_axis(op: Operator) -> int:
    axis, letter = op.integer("axis", -1), op.text("axis_str")
    if axis != -1 or not letter:
        return axis
    if len(letter) != 1 or letter not in op.text("order", "NCHW"):
        raise op.error(f"axis_str {letter!r} must be one letter of the order")
    return op.text("order", "NCHW").index(letter)


def _binary(compute: Callable) -> Callable:
    def kernel(op: Operator, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if a.dtype != b.dtype:
            raise op.error(f"its operands are {a.dtype} and {b.dtype}, expected one type")
        return compute(*aligned(op, a, b))

    return kernel


def _comparison(compute: Callable) -> Callable:
    return lambda a, b: compute(settled(a), settled(b))


def _bitwise(compute: Callable) -> Callable:
    def of_integers(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if is_float(a):
            raise ValueError("floats have no bits to combine")
        return compute(a, b)

    return of_integers


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if is_float(a):
        return a / b
    if not np.all(b):
        raise ValueError("integer division by zero")
    # C++ truncates, numpy floors.
    quotient = np.abs(a) // np.abs(b)
    return np.where((a < 0) ^ (b < 0), -quotient, quotient).astype(a.dtype)


_BINARY: dict[str, Callable] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divide,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
    "BitwiseAnd": _bitwise(np.bitwise_and),
    "BitwiseOr": _bitwise(np.bitwise_or),
    "BitwiseXor": _bitwise(np.bitwise_xor),
    "EQ": _comparison(np.equal),
    "NE": _comparison(np.not_equal),
    "LT": _comparison(np.less),
    "LE": _comparison(np.less_equal),
    "GT": _comparison(np.greater),
    "GE": _comparison(np.greater_equal),
}

for _type, _compute in _BINARY.items():
    operator(_type)(_binary(_compute))


@operator("Pow")
def power(op: Operator, base: np.ndarray, exponent: np.ndarray | None = None) -> np.ndarray:
    """To the power of the argument `exponent`, or of the second input."""
    if exponent is None:
        return np.power(base, op.number("exponent"))
    if not op.flag("broadcast") and base.shape != exponent.shape:
        raise op.error(f"base {base.shape} and exponent {exponent.shape} differ in shape without broadcast")
    return np.power(*aligned(op, base, exponent))


@operator("Where")
def where(op: Operator, condition: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Elements of the second input where the first is true, of the third elsewhere."""
    if op.flag("broadcast_on_rows"):
        condition = condition.reshape(-1, *[1] * (a.ndim - 1))
    elif condition.shape != a.shape:
        raise op.error(f"condition {condition.shape} and data {a.shape} differ in shape")
    if a.shape != b.shape:
        raise op.error(f"its choices {a.shape} and {b.shape} differ in shape")
    return np.where(condition, a, b)


def _same_shapes(op: Operator, inputs: tuple[np.ndarray, ...]) -> None:
    if len({x.shape for x in inputs}) != 1 or len({x.dtype for x in inputs}) != 1:
        raise op.error("its inputs must have one shape and one type")


def _variadic(combine: Callable) -> Callable:
    def kernel(op: Operator, *inputs: np.ndarray) -> np.ndarray:
        _same_shapes(op, inputs)
        result = inputs[0]
        for x in inputs[1:]:
            result = combine(result, x)
        return result

    return kernel


for _type, _compute in {"Sum": np.add, "SumInt": np.add, "Max": np.maximum, "Min": np.minimum}.items():
    operator(_type, rows="all")(_variadic(_compute))


@operator("SumRelu")
def sum_relu(op: Operator, *inputs: np.ndarray) -> np.ndarray:
    """max(sum of the inputs, 0)."""
    return np.maximum(_variadic(np.add)(op, *inputs), 0)


@operator("WeightedSum")
def weighted_sum(op: Operator, *inputs: np.ndarray) -> np.ndarray:
    """The sum of every first of two inputs times the one number in the second."""
    if len(inputs) < 2 or len(inputs) % 2 or any(weight.size != 1 for weight in inputs[1::2]):
        raise op.error("its inputs must be tensors, each followed by one weight")
    _same_shapes(op, inputs[::2])
    return sum(x * weight.reshape(()) for x, weight in zip(inputs[::2], inputs[1::2], strict=True))


@operator("Mean")
def mean(op: Operator, *inputs: np.ndarray) -> np.ndarray:
    """The mean of the inputs, element by element."""
    return _variadic(np.add)(op, *inputs) / len(inputs)
