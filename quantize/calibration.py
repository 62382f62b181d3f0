"""What values a model's tensors take on calibration data: ONNX Runtime runs it, each tensor's range is collected."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from zoosmith.execution import SILENT, Progress, Task
from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.ports import required_inputs
from zoosmith.quantize.errors import QuantizeError
from zoosmith.validation import OnnxRuntimeRunner

BINS = 2048
_STEPS = 256

# Values a bin, on average, below which a histogram's gaps are chance and its entropy has no meaning.
_FEWEST = 10

Samples = Sequence[Mapping[str, Array]]


@dataclass(frozen=True)
class Range:
    """The lowest and highest value of each channel (axis 1), its mean and its standard deviation.

    All float64 of shape (channels,); (1,) for tensors of rank < 2.
    """

    low: Array
    high: Array
    mean: Array
    deviation: Array


def calibrate(
    model: onnx.ModelProto,
    samples: Samples,
    *,
    method: str = "minmax",
    tensors: Iterable[str] | None = None,
    percentile: float = 99.999,
    progress: Progress = SILENT,
) -> dict[str, Range]:
    """Run a model and return the range of each of its float32 tensors.

    Args:
        model: the float model; it is left as it was.
        samples: the model's inputs by name.
        method: `minmax` takes what was seen. `percentile` leaves out the values above that percentile, and below its
            counterpart. `entropy` cuts where 256 steps lose the least information, by Kullback-Leibler divergence
            (Migacz, "8-bit inference with TensorRT", 2017). The last two look at each value's place in the range of its
            channel, so that a tensor is cut by one share in all of its channels.
        tensors: names of the float32 tensors to look at; without it, the inputs and everything that the nodes make.
        percentile: for the method of that name, in percent.
        progress: notified of the runs.

    Returns:
        The ranges by the names of the tensors.

    Raises:
        QuantizeError: there are no samples, the method is unknown or a tensor is not finite.
        ValidationError: a sample does not fit the model.
    """
    if method not in METHODS:
        raise QuantizeError(f"calibration method {method!r}: expected one of {', '.join(METHODS)}")
    if not samples:
        raise QuantizeError("no calibration samples; expected at least one")
    watched = Watched(model, tensors)
    cut = METHODS[method]
    runs = len(samples) * (1 if cut is None else 2)
    with progress.task("calibrating", runs) as task:
        ranges = _ranges(watched.run(samples), task)
        if cut is None:
            return ranges
        counts = {name: np.zeros(BINS) for name in ranges}
        for values in watched.run(samples):
            for name, value in values.items():
                if value.size:
                    counts[name] += _places(value, ranges[name])
            task.advance()
    return {name: _narrowed(ranges[name], cut(counts[name], percentile)) for name in ranges}


def _ranges(runs: Iterable[Mapping[str, Array]], task: Task) -> dict[str, Range]:
    seen: dict[str, _Seen] = {}
    for number, values in enumerate(runs, start=1):
        for name, value in values.items():
            of_name = seen.setdefault(name, _Seen())
            if not value.size:  # nothing was found in this sample, say
                continue
            of_name.add(by_channel(value))
            if not of_name.finite:
                raise QuantizeError(f"tensor {name}: NaN or infinite for sample {number}; expected finite activations")
        task.advance()
    empty = sorted(name for name, of_name in seen.items() if not of_name.any)
    if empty:
        raise QuantizeError(f"tensor {empty[0]}: has no element in any sample")
    return {name: of_name.range() for name, of_name in seen.items()}


class _Seen:
    """What is kept of a tensor while the samples go by."""

    def __init__(self) -> None:
        self._low: Array = np.array(np.inf)
        self._high: Array = np.array(-np.inf)
        self._sum: Array = np.zeros(1)
        self._squares: Array = np.zeros(1)
        self._count = 0
        self._channels = 1

    def add(self, values: Array) -> None:
        """Take in values of shape (channels, values)."""
        if self._count and len(values) != len(self._low):
            # an axis 1 of open size counts positions, not channels: one range for all of it
            self._low, self._high = self._low.min(keepdims=True), self._high.max(keepdims=True)
            self._sum, self._squares = self._sum.sum(keepdims=True), self._squares.sum(keepdims=True)
            self._count *= self._channels
            self._channels = 1
            values = values.reshape(1, -1)
        self._channels = len(values)
        self._low = np.minimum(self._low, values.min(axis=1))
        self._high = np.maximum(self._high, values.max(axis=1))
        self._sum = self._sum + values.sum(axis=1, dtype=np.float64)
        self._squares = self._squares + np.einsum("ij,ij->i", values, values, dtype=np.float64)
        self._count += values.shape[1]

    @property
    def any(self) -> bool:
        return self._count > 0

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self._low).all() and np.isfinite(self._high).all())

    def range(self) -> Range:
        mean = self._sum / self._count
        deviation = np.sqrt(np.maximum(self._squares / self._count - mean**2, 0))
        return Range(self._low.astype(np.float64), self._high.astype(np.float64), mean, deviation)


class Watched:
    """A model of which inner tensors are outputs, too.

    Args:
        model: it is left as it was.
        tensors: their names; without it, the float32 inputs and what the nodes make in float32.
        elem_type: of the tensors.
    """

    def __init__(
        self, model: onnx.ModelProto, tensors: Iterable[str] | None, elem_type: int = TensorProto.FLOAT
    ) -> None:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        self._inputs = {value.name for value in required_inputs(copy.graph)}
        self._wanted = list(_float_tensors(model) if tensors is None else tensors)
        present = self._inputs | {value.name for value in copy.graph.output}
        copy.graph.output.extend(
            helper.make_tensor_value_info(name, elem_type, None) for name in self._wanted if name not in present
        )
        self._runner = OnnxRuntimeRunner(copy, spin=False)

    def run(self, samples: Samples) -> Iterator[dict[str, Array]]:
        """Run the samples one by one; yields the tensors by name."""
        for sample in samples:
            outputs: dict[str, Any] = self._runner.run(sample)
            yield {name: np.asarray(sample[name] if name in self._inputs else outputs[name]) for name in self._wanted}


def _float_tensors(model: onnx.ModelProto) -> list[str]:
    """Names of the float32 inputs, sorted, and of the float32 tensors that the nodes make."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in (*inferred.value_info, *inferred.output, *inferred.input)
    }
    inputs = sorted(value.name for value in required_inputs(model.graph))
    made = [name for node in model.graph.node for name in node.output if name]
    return [name for name in (*inputs, *made) if types.get(name, TensorProto.FLOAT) == TensorProto.FLOAT]


def by_channel(value: Array) -> Array:
    """A view or copy of shape (channels, values)."""
    if value.ndim < 2:
        return value.reshape(1, -1)
    return np.moveaxis(value, 1, 0).reshape(value.shape[1], -1)


def _places(value: Array, found: Range) -> Array:
    """How many values lie in each of BINS equal parts of their channel's range."""
    span = np.where(found.high > found.low, found.high - found.low, 1.0)
    place = (by_channel(value) - found.low[:, None]) * (BINS / span)[:, None]
    return np.bincount(np.clip(place.astype(np.int64), 0, BINS - 1).reshape(-1), minlength=BINS)


def _narrowed(found: Range, cut: tuple[float, float]) -> Range:
    """The part of the range between two shares of it; zero stays inside where it was."""
    span = found.high - found.low
    low, high = found.low + span * cut[0], found.low + span * cut[1]
    low = np.where(found.low <= 0, np.minimum(low, 0), low)
    high = np.where(found.high >= 0, np.maximum(high, 0), high)
    return replace(found, low=low, high=high)


def _cut_percentile(counts: Array, percentile: float) -> tuple[float, float]:
    share = np.cumsum(counts) / counts.sum()
    outside = 1 - percentile / 100
    # values that sit at the very end, as a Relu's zeros do, keep that end
    low = int(np.searchsorted(share, outside, side="right"))
    high = int(np.searchsorted(share, 1 - outside)) + 1
    return low / BINS, min(high, BINS) / BINS


def _cut_entropy(counts: Array, percentile: float) -> tuple[float, float]:
    """The top end whose 256 steps describe the distribution best; the low end stays, as a Relu's zero does."""
    best, best_top = np.inf, BINS
    # a Relu's zeros are exact in every encoding; left in, they would make the finest steps look best
    counts = np.concatenate([[0.0], counts[1:]])
    if counts.sum() < _FEWEST * BINS:
        return 0.0, 1.0
    for top in range(_STEPS * 2, BINS + 1, 16):
        inside = counts[:top].copy()
        outside = counts[top:].sum()
        reference = inside.copy()
        reference[-1] += outside
        edges = (np.arange(top) * _STEPS) // top
        total = np.bincount(edges, weights=inside, minlength=_STEPS)
        filled = np.bincount(edges, weights=inside > 0, minlength=_STEPS)
        spread = np.where(inside > 0, (total / np.maximum(filled, 1))[edges], 0)
        seen = (reference > 0) & (spread > 0)
        lost = reference[(reference > 0) & (spread == 0)].sum() / reference.sum()
        p, q = reference[seen] / reference.sum(), spread[seen] / spread.sum()
        divergence = float((p * np.log(p / q)).sum()) + float(lost)
        if divergence < best:
            best, best_top = divergence, top
    return 0.0, best_top / BINS


METHODS: dict[str, Callable[[Array, float], tuple[float, float]] | None] = {
    "minmax": None,
    "percentile": _cut_percentile,
    "entropy": _cut_entropy,
}
