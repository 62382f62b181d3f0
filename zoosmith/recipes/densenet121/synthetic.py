"""Parameters for DenseNet-121 out of a seed, the same bytes on every machine."""

import numpy as np

from zoosmith.convert.proto.caffe2_pb2 import OperatorDef
from zoosmith.recipes.densenet121.net import INPUT, INPUT_SHAPE, parameter_shapes, predict_net

# Mean and variance of a channel: of random pixels as the card's pre-processing leaves them; of a standard normal
# variable after ReLU, which are 1/sqrt(2 pi) and 1/2 - 1/(2 pi); and of the largest of 3 x 3 of those, under a pool.
_PIXELS = (0.21, 1.58)
_RECTIFIED = (0.3989, 0.3408)
_LARGEST = (1.48, 0.36)
# what averaging 2 x 2 neighbours, which hardly depend on each other, leaves of a variance
_AVERAGED = 0.3

# One filter in 32 is dead: so small that the variance of what it gives is near zero, as trained nets have them.
_DEAD_PART = 1 / 32
_DEAD_GAIN = 2.0**-12


def synthetic_parameters(seed: int) -> dict[str, np.ndarray]:
    """Return all parameters by blob name, float32, in the net's order.

    `seed` is 0 .. 2**32 - 1. Filters are He-scaled and uniform; the statistics of a BatchNormalization are those that
    its input has by the filters before it, so that activations keep their size over all layers. Only streams that numpy
    freezes, integer sums and single roundings are used: no result depends on the machine.
    """
    return _Walk(np.random.RandomState(seed)).parameters


class _Walk:
    """One pass over the net, with the mean and the variance that every channel of a blob is expected to have."""

    def __init__(self, stream: np.random.RandomState):
        self.parameters: dict[str, np.ndarray] = {}
        self._stream = stream
        self._shapes = parameter_shapes()
        self._moments = {INPUT: _uniform_moments(INPUT_SHAPE[1], _PIXELS)}
        for operator in predict_net().op:
            self._visit(operator)

    def _visit(self, operator: OperatorDef) -> None:
        blob, *names = operator.input
        output = operator.output[0]
        match operator.type:
            case "Conv":
                self._moments[output] = self._filters(blob, *names)
            case "SpatialBN":
                statistics: list[np.ndarray | float] = [1.0, 0.0, *self._moments[blob]]
                for name, values in zip(names, statistics, strict=True):
                    self._set(name, values)
            case "Mul":
                self._set(names[0], self._between(0.75, 1.25, self._shapes[names[0]]))
            case "Add":
                self._set(names[0], self._between(-0.125, 0.125, self._shapes[names[0]]))
                self._moments[output] = _uniform_moments(self._shapes[names[0]][0], _RECTIFIED)
            case "Concat":
                means, variances = zip(*(self._moments[name] for name in operator.input), strict=True)
                self._moments[output] = (np.concatenate(means), np.concatenate(variances))
            case "MaxPool":
                self._moments[output] = _uniform_moments(len(self._moments[blob][0]), _LARGEST)
            case "AveragePool":
                mean, variance = self._moments[blob]
                self._moments[output] = (mean, variance * _AVERAGED)

    def _filters(self, blob: str, weight: str, bias: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Make a convolution's parameters; return the moments of its output."""
        shape = self._shapes[weight]
        # odd integers stand for the values, so that sums over them are exact
        steps = 2 * self._stream.randint(-(2**15), 2**15, size=shape, dtype=np.int16).astype(np.int32) + 1
        gain = 0.5 + self._stream.random_sample(shape[0])
        gain[self._stream.random_sample(shape[0]) < _DEAD_PART] = _DEAD_GAIN
        fan_in = np.prod(shape[1:])
        unit = gain * np.sqrt(6.0 / fan_in) * 2.0**-16
        self._set(weight, steps.astype(np.float32) * unit.astype(np.float32).reshape(-1, 1, 1, 1))
        if bias is not None:
            self._set(bias, self._between(-0.125, 0.125, shape[:1]))
        # every input channel has the same moments here, so those of the first stand for all
        mean, variance = (float(moment[0]) for moment in self._moments[blob])
        flat = steps.reshape(shape[0], -1).astype(np.int64)
        return mean * unit * flat.sum(axis=1), variance * unit * unit * (flat * flat).sum(axis=1)

    def _between(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
        return low + (high - low) * self._stream.random_sample(shape)

    def _set(self, name: str, values: np.ndarray | float) -> None:
        self.parameters[name] = np.broadcast_to(np.asarray(values, np.float32), self._shapes[name])


def _uniform_moments(channels: int, moments: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    return np.full(channels, moments[0]), np.full(channels, moments[1])
