"""Parameters for DenseNet-121 out of a seed, the same bytes on every machine."""

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from zoosmith.convert.proto.caffe2_pb2 import OperatorDef
from zoosmith.recipes.densenet121.net import EPSILON, INPUT, parameter_shapes, predict_net
from zoosmith.recipes.densenet121.pictures import pictures

# The pictures that stand for training data: others than those of data sets and of calibration.
_PICTURES, _FIRST_PICTURE = 4, 20_000

# One filter in 32 is dead: so small that the variance of what it gives is near zero, as trained nets have them.
_DEAD_PART = 1 / 32
_DEAD_GAIN = 2.0**-12

# What is added before a Relu, in standard deviations: most values pass it, so that a small difference stays small over
# all layers, as it does in trained nets. Around 0 the same weights made eight times the error of an integer row.
_SHIFTS = (0.75, 1.25)

# Values are rounded to integers below 2**20, weights are below 2**16, and no filter has more than 2**11: float64 holds
# every sum of products exactly, so that no result depends on the order in which a machine adds them.
_BITS = 20

_Values = NDArray[np.float64]


def synthetic_parameters(seed: int) -> dict[str, np.ndarray]:
    """Return all parameters by blob name, float32, in the net's order.

    `seed` is 0 .. 2**32 - 1. Filters are He-scaled and uniform; the statistics of a BatchNormalization are those that
    its input has on made-up pictures of natural statistics. Only streams that numpy freezes, exact sums and single
    roundings are used: no result depends on the machine.
    """
    # the products are small: a second thread would cost more than it saves
    with threadpool_limits(1):
        return _Walk(seed).parameters


class _Walk:
    """One pass over the net on pictures; values of a blob are of shape (channels, pictures, height, width)."""

    def __init__(self, seed: int):
        self.parameters: dict[str, np.ndarray] = {}
        self._stream = np.random.RandomState(seed)
        self._shapes = parameter_shapes()
        images = pictures(_PICTURES, seed=seed, first=_FIRST_PICTURE).astype(np.float64)
        self._values: dict[str, _Values] = {INPUT: np.moveaxis(images, 1, 0)}
        self._moments: dict[str, tuple[_Values, _Values]] = {}
        operators = predict_net().op
        last_reader = {name: index for index, operator in enumerate(operators) for name in operator.input}
        for index, operator in enumerate(operators):
            self._visit(operator)
            for name in set(operator.input):
                if last_reader[name] == index:
                    self._values.pop(name, None)

    def _visit(self, operator: OperatorDef) -> None:
        blob, *names = operator.input
        output = operator.output[0]
        arguments = {argument.name: argument.i for argument in operator.arg}
        match operator.type:
            case "Conv":
                self._values[output] = self._convolve(blob, arguments, *names)
                self._moments[output] = _moments(self._values[output])
            case "SpatialBN":
                mean, variance = self._moments[blob]
                statistics: list[np.ndarray | float] = [1.0, 0.0, mean, variance]
                for name, values in zip(names, statistics, strict=True):
                    self._set(name, values)
                self._values[output] = (self._values[blob] - _column(mean)) / np.sqrt(_column(variance) + EPSILON)
            case "Mul":
                factor = self._set(names[0], self._between(0.75, 1.25, self._shapes[names[0]]))
                self._values[output] = self._values[blob] * _column(factor)
            case "Add":
                summand = self._set(names[0], self._between(*_SHIFTS, self._shapes[names[0]]))
                self._values[output] = self._values[blob] + _column(summand)
            case "Relu":
                self._values[output] = np.maximum(self._values[blob], 0.0)
            case "Concat":
                self._values[output] = np.concatenate([self._values[name] for name in operator.input])
                means, variances = zip(*(self._moments[name] for name in operator.input), strict=True)
                self._moments[output] = (np.concatenate(means), np.concatenate(variances))
            case "MaxPool" | "AveragePool":
                self._values[output] = _pool(self._values[blob], operator.type, arguments)
                self._moments[output] = _moments(self._values[output])

    def _convolve(self, blob: str, arguments: dict[str, int], weight: str, bias: str | None = None) -> _Values:
        """Make a convolution's parameters and return what it gives without its bias."""
        shape = self._shapes[weight]
        # odd integers stand for the values, so that sums over them are exact
        steps = 2 * self._stream.randint(-(2**15), 2**15, size=shape, dtype=np.int16).astype(np.int32) + 1
        gain = 0.5 + self._stream.random_sample(shape[0])
        gain[self._stream.random_sample(shape[0]) < _DEAD_PART] = _DEAD_GAIN
        unit = gain * np.sqrt(6.0 / np.prod(shape[1:])) * 2.0**-16
        self._set(weight, steps.astype(np.float32) * unit.astype(np.float32).reshape(-1, 1, 1, 1))
        if bias is not None:
            self._set(bias, self._between(-0.125, 0.125, shape[:1]))
        values, exponent = _integers(self._values[blob], np.abs(self._values[blob]).max())
        windows = _windows(values, arguments, 0.0)
        rows, columns = shape[2:]
        total = sum(
            np.tensordot(steps[:, :, row, column].astype(np.float64), windows[row, column], 1)
            for row in range(rows)
            for column in range(columns)
        )
        return np.asarray(total * _column(np.ldexp(unit, -exponent)))

    def _between(self, low: float, high: float, shape: tuple[int, ...]) -> _Values:
        return low + (high - low) * self._stream.random_sample(shape)

    def _set(self, name: str, values: np.ndarray | float) -> np.ndarray:
        self.parameters[name] = np.broadcast_to(np.asarray(values, np.float32), self._shapes[name])
        return self.parameters[name]


def _column(values: np.ndarray) -> _Values:
    return values.astype(np.float64).reshape(-1, 1, 1, 1)


def _integers(values: _Values, largest: np.ndarray | float) -> tuple[_Values, np.ndarray]:
    """Values times a power of two, rounded to whole numbers of up to _BITS bits; and the exponent of that power."""
    exponent = _BITS - np.frexp(largest)[1]
    return np.rint(np.ldexp(values, exponent)), exponent


def _moments(values: _Values) -> tuple[_Values, _Values]:
    """Mean and variance of each channel, of which each value has _BITS bits."""
    whole, exponent = _integers(values, np.abs(values).max(axis=(1, 2, 3), keepdims=True))
    flat = whole.astype(np.int64).reshape(len(values), -1)
    mean = flat.sum(axis=1) / flat.shape[1]
    variance = (flat * flat).sum(axis=1) / flat.shape[1] - mean * mean
    exponent = exponent.reshape(-1)
    return np.ldexp(mean, -exponent), np.ldexp(variance, -2 * exponent)


def _windows(values: _Values, arguments: dict[str, int], padding: float) -> dict[tuple[int, int], _Values]:
    """What each position of a kernel meets: by its row and column, an array of the result's size."""
    pad, stride, kernel = (arguments.get(name, default) for name, default in (("pad", 0), ("stride", 1), ("kernel", 1)))
    padded = np.pad(values, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=padding)
    height, width = ((size + 2 * pad - kernel) // stride + 1 for size in values.shape[2:])
    return {
        (row, column): padded[:, :, row : row + stride * height : stride, column : column + stride * width : stride]
        for row in range(kernel)
        for column in range(kernel)
    }


def _pool(values: _Values, kind: str, arguments: dict[str, int]) -> _Values:
    if arguments.get("global_pooling"):
        # one position: a convolution of the whole picture, with sums of integers in any order
        whole, exponent = _integers(values, np.abs(values).max())
        positions = values.shape[2] * values.shape[3]
        return np.ldexp(whole.sum(axis=(2, 3), keepdims=True) / positions, -exponent)
    if kind == "MaxPool":
        return np.maximum.reduce(list(_windows(values, arguments, -np.inf).values()))
    windows = list(_windows(values, arguments, 0.0).values())
    total = windows[0]
    for window in windows[1:]:
        total = total + window
    return total / len(windows)
