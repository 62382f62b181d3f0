"""How far calibration samples are from what a net was trained on, by the statistics that it carries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.constants import Array, constant_tensor
from zoosmith.onnx_model.opsets import is_standard
from zoosmith.quantize.calibration import Samples, by_channel, calibrate
from zoosmith.quantize.errors import QuantizeError

# Measured on DenseNet-121 trained on photographs: those are at 0.08 and 0.08, pictures of `natural_images` at 0.24 and
# 0.18, plain grey ones at 0.39 and 0.80, random pixels at 0.73 and 1.82.
MEAN_LIMIT = 0.5
VARIANCE_LIMIT = 0.6

# Of few layers, a median says less: on the three of PP-OCRv4's and PP-OCRv5's detectors, pages of text are at 0.72 and
# 0.78, photographs without text at 1.14 and 2.45
_FEW = 10
_VARIANCE_LIMIT_OF_FEW = 0.9

MEASURED = 32
"""Samples that are run, spread evenly over those given: medians over all layers need no more."""

# what a channel adds to the divergence at the most, in nats
_LARGEST = 10.0

# input, mean, variance and type of a BatchNormalization
_Stated = tuple[str, Array, Array, int]


@dataclass(frozen=True)
class SampleDistance:
    """How far the inputs of BatchNormalizations are from what those state; the median layer's median channel.

    Attributes:
        mean: distance of the means, in stated standard deviations.
        variance: absolute natural logarithm of the ratio of the variances.
        divergence: mean over layers and channels of the Kullback-Leibler divergence, in nats, of the seen normal
            distribution from the stated one: finer than the medians, it tells one order of colours from the other.
        layers: how many BatchNormalizations were compared.
    """

    mean: float
    variance: float
    divergence: float
    layers: int

    @property
    def far(self) -> bool:
        """Whether the samples are unlike the training data."""
        return self.mean > MEAN_LIMIT or self.variance > self.variance_limit

    @property
    def variance_limit(self) -> float:
        """The largest `variance` of samples that are like the training data."""
        return VARIANCE_LIMIT if self.layers >= _FEW else _VARIANCE_LIMIT_OF_FEW

    def __str__(self) -> str:
        return (
            f"means {self.mean:.2f} standard deviations and log variances {self.variance:.2f} from what "
            f"{self.layers} BatchNormalizations state"
        )


def measure_samples(model: onnx.ModelProto, samples: Samples, most: int = MEASURED) -> SampleDistance | None:
    """Compare what samples make of a net's inner values with what its BatchNormalizations state.

    Args:
        model: as trained, in float32 or half precision: before its BatchNormalizations are folded into convolutions.
        samples: the model's inputs by name.
        most: how many of them are run at the most, spread evenly.

    Returns:
        The distance; None where the model states no statistics, so that samples cannot be judged.

    Raises:
        QuantizeError: there are no samples, or a value is not finite.
        ValidationError: a sample does not fit the model.
    """
    stated = list(_stated(model))
    if not stated:
        return None
    measured = min(most, len(samples))
    spread = [samples[index * len(samples) // measured] for index in range(measured)]
    model, names = _with_floats(model, stated)
    seen = calibrate(model, spread, tensors=names.values())
    means, variances, divergences = [], [], []
    for name, mean, variance, _ in stated:
        found = seen[names[name]]
        # a channel that never changed in training, or does not now, has no meaningful ratio
        changes = (variance > 0) & (found.deviation > 0)
        if not changes.any():
            continue
        deviation = np.sqrt(variance[changes])
        distance = np.abs(found.mean[changes] - mean[changes]) / deviation
        log_ratio = 2 * np.log(found.deviation[changes] / deviation)
        means.append(np.median(distance))
        variances.append(np.median(np.abs(log_ratio)))
        # a channel that hardly changed in training would outweigh all others
        divergences.append(np.minimum((np.exp(log_ratio) + distance**2 - 1 - log_ratio) / 2, _LARGEST).mean())
    if not means:
        raise QuantizeError("the calibration samples leave every value unchanged; expected samples that differ")
    medians = float(np.median(means)), float(np.median(variances))
    return SampleDistance(*medians, float(np.mean(divergences)), len(means))


def states_statistics(model: onnx.ModelProto) -> bool:
    """Whether a model carries statistics of what it was trained on."""
    return any(True for _ in _stated(model))


def check_samples(model: onnx.ModelProto, samples: Samples, *, force: bool = False) -> SampleDistance | None:
    """Measure as `measure_samples`, and refuse samples that cannot be calibrated on.

    Args:
        model: as for `measure_samples`.
        samples: as for `measure_samples`.
        force: accept those that are far from what the net was trained on.

    Raises:
        QuantizeError: they are far from what the net was trained on, with the figures; or, whatever `force` says, they
            hold NaN or one value only. Else as for `measure_samples`.
    """
    _check_values(samples)
    distance = measure_samples(model, samples)
    if distance is not None and not force:
        refuse_far(distance)
    return distance


def refuse_far(distance: SampleDistance) -> None:
    """Raise QuantizeError for samples that are far from what a net was trained on."""
    if distance.far:
        raise QuantizeError(
            f"calibration samples unlike the training data: {distance}; expected at most {MEAN_LIMIT:g} and "
            f"{distance.variance_limit:g}: calibrate on real data, pre-processed as in training (zoosmith preprocess "
            f"compares preprocessings), or go on with {argument('force')}"
        )


def _check_values(samples: Samples) -> None:
    seen: dict[str, _Spread] = {}
    for number, sample in enumerate(samples, start=1):
        if sample and not any(np.size(value) for value in sample.values()):
            shapes = ", ".join(f"{name!r} is {list(np.shape(value))}" for name, value in sample.items())
            raise QuantizeError(f"calibration sample {number} holds no values: {shapes}; expected sizes above 0")
        for name, value in sample.items():
            # others: integers, texts, sequences
            if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or not value.size:
                continue
            if np.isnan(value).any():
                raise QuantizeError(f"calibration sample {number}: input {name!r} holds NaN")
            seen.setdefault(name, _Spread()).add(by_channel(value))
    if seen and not any(spread.differs for spread in seen.values()):
        values = ", ".join(f"{spread.values} in {name!r}" for name, spread in seen.items())
        raise QuantizeError(f"calibration samples of no spread: every value is {values}; expected samples that differ")


class _Spread:
    """The lowest and highest value of each channel of an input."""

    def __init__(self) -> None:
        self._low: Array | None = None
        self._high: Array | None = None
        self._count = 0

    def add(self, values: Array) -> None:
        """Take in values of shape (channels, values)."""
        low, high = values.min(axis=1), values.max(axis=1)
        if self._low is not None and self._high is not None:
            if len(low) != len(self._low):
                # an axis of open size counts positions, not channels
                low, self._low = low.min(keepdims=True), self._low.min(keepdims=True)
                high, self._high = high.max(keepdims=True), self._high.max(keepdims=True)
            low, high = np.minimum(low, self._low), np.maximum(high, self._high)
        self._low, self._high = low, high
        self._count += values.shape[1]

    @property
    def differs(self) -> bool:
        """Whether a channel has two values, or there is but one value of each."""
        return self._count <= 1 or bool(np.any(self._low != self._high))

    @property
    def values(self) -> str:
        """The value of each channel, once where it is the same in all."""
        return ", ".join(f"{value:g}" for value in np.unique(np.asarray(self._low)))


def _with_floats(model: onnx.ModelProto, stated: Sequence[_Stated]) -> tuple[onnx.ModelProto, dict[str, str]]:
    """A model with the inputs of BatchNormalizations in float32, and their names in it by those that they have."""
    names = {name: name for name, *_ in stated}
    halves = sorted({name for name, _, _, elem_type in stated if elem_type != TensorProto.FLOAT})
    if halves:
        taken = {name for node in model.graph.node for name in node.output}
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        model = copy
        for name in halves:
            names[name] = next(each for number in count() if (each := f"{name}_float{number}") not in taken)
            model.graph.node.append(helper.make_node("Cast", [name], [names[name]], to=TensorProto.FLOAT))
    return model, names


def _stated(model: onnx.ModelProto) -> Iterator[_Stated]:
    """Input, mean and variance of each BatchNormalization, both float64 of shape (channels,), and the input's type."""
    tensors = _constants(model.graph)
    for node in model.graph.node:
        if is_standard(node, "BatchNormalization") and all(name in tensors for name in node.input[3:5]):
            mean, variance = (numpy_helper.to_array(tensors[name]).astype(np.float64) for name in node.input[3:5])
            # `fold` writes mean 0 and variance 1, which state nothing
            if mean.ndim == 1 and (np.any(mean) or np.any(variance != 1)):
                # the scale is of the type of the input, but for models that are trained in mixed precision
                scale = tensors.get(node.input[1], tensors[node.input[3]])
                yield node.input[0], mean, variance, scale.data_type


def _constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Initializers, Constant nodes and what Identity makes of them, by name: all forms that exporters give weights."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if is_standard(node, "Identity") and node.input[0] in tensors:
            tensors[node.output[0]] = tensors[node.input[0]]
        elif (tensor := constant_tensor(node)) is not None:
            tensors[node.output[0]] = tensor
    return tensors
