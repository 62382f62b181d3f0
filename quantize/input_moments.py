"""Mean and covariance of what the weights of a layer multiply, by which rounding errors can make up for each other."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod

import numpy as np
import onnx
import onnx_ir as ir

from zoosmith.execution import SILENT, Progress, Task
from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.values import attribute, input_constant, name_of
from zoosmith.quantize.calibration import Samples, Watched

# samples that are run, and positions in all of them that are looked at for each layer: a few for each weight of an
# output channel, and no more than take the time of some runs
_SAMPLES, _POSITIONS = 64, 4096
# weights of one output channel up to which a layer is looked at: matrices of 21 MB
_MOST_WEIGHTS = 2304
# bytes of matrices that are held at the same time
_AT_ONCE = 256_000_000


@dataclass(frozen=True)
class Moments:
    """Of the values that the weights of one output channel multiply, for each group of a convolution.

    Both float64. K is the number of weights of an output channel, in the order of `weights_of_outputs`.

    Attributes:
        mean: of shape (groups, K).
        covariance: of shape (groups, K, K).
    """

    mean: Array
    covariance: Array


def weights_of_outputs(weights: Array) -> Array:
    """Weights (O, I, ...) as (O, K): the input channels of each position of the kernel stand side by side."""
    return np.moveaxis(weights, 1, -1).reshape(len(weights), -1)


def measure_moments(
    exact: onnx.ModelProto, layers: Sequence[ir.Node], samples: Samples, progress: Progress = SILENT
) -> Iterator[tuple[ir.Node, Moments]]:
    """Run the float model, and measure what its layers multiply.

    Memory is bounded: the model runs again for each part of the layers whose matrices take `_AT_ONCE` bytes together.

    Args:
        exact: the float model.
        layers: its Conv, Gemm and MatMul with constant weights; those of very many weights are left out, and those
            whose weights others have, too, which a file holds once as long as all are rounded alike.
        samples: the model's inputs by name; the first ones are run.
        progress: notified of the runs.

    Yields:
        Each layer that was measured, with its moments; none whose values are too large for those.

    Raises:
        ValidationError: the model cannot be run.
    """
    alike = Counter(map(_digest, layers))
    chosen = [node for node in layers if _is_measured(node) and alike[_digest(node)] == 1]
    parts: list[list[ir.Node]] = []
    room = 0
    for node in chosen:
        if room < _bytes_of(node):
            parts.append([])
            room = _AT_ONCE
        parts[-1].append(node)
        room -= _bytes_of(node)
    count = min(len(samples), _SAMPLES)
    with progress.task("measuring what weights multiply", count * len(parts)) as task:
        for part in parts:
            yield from _measured(exact, part, samples, count, task)


def _measured(
    exact: onnx.ModelProto, layers: list[ir.Node], samples: Samples, count: int, task: Task
) -> Iterator[tuple[ir.Node, Moments]]:
    sums = {node: _Sums() for node in layers}
    watched = Watched(exact, dict.fromkeys(_source(node) for node in layers))
    for values in islice(watched.run(samples), count):
        for node, found in sums.items():
            value = values[_source(node)]
            if value.size:  # nothing was found in this sample, say
                found.add(_multiplied(node, value, -(-_POSITIONS // count)))
        task.advance()
    for node in layers:
        found = sums.pop(node)
        if found.count and found.finite:
            yield node, found.moments()


class _Sums:
    """What is kept of a layer while the samples go by: sums over values less the mean of the first sample.

    A covariance that is small beside the squared mean would not be left of sums over the values themselves.
    """

    def __init__(self) -> None:
        self.count = 0
        self._origin: Array | None = None
        self._sum: Array = np.zeros(())
        self._products: Array = np.zeros((), np.float32)

    def add(self, values: Array) -> None:
        """Take in float32 values of shape (groups, positions, K)."""
        if self._origin is None:
            self._origin = values.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
        centred = values - self._origin
        self.count += centred.shape[1]
        self._sum = self._sum + centred.sum(axis=1, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            self._products = self._products + centred.transpose(0, 2, 1) @ centred

    @property
    def finite(self) -> bool:
        """Whether no product was too large for float32."""
        return bool(np.isfinite(self._products).all())

    def moments(self) -> Moments:
        assert self._origin is not None
        mean = self._sum / self.count
        products = self._products.astype(np.float64) / self.count
        return Moments(self._origin[:, 0] + mean, products - mean[:, :, None] * mean[:, None, :])


def _digest(node: ir.Node) -> bytes:
    weights = input_constant(node, 1)
    assert weights is not None
    return hashlib.sha256(repr(weights.shape).encode() + weights.tobytes()).digest()


def _source(node: ir.Node) -> str:
    assert node.inputs[0] is not None
    return name_of(node.inputs[0])


def _kernel(node: ir.Node) -> tuple[int, int]:
    """Groups of a layer, and weights of each output channel."""
    weights = input_constant(node, 1)
    assert weights is not None
    if node.op_type == "Conv":
        return attribute(node, "group", 1), prod(weights.shape[1:])
    return 1, weights.shape[1 if attribute(node, "transB", 0) else 0]


def _is_measured(node: ir.Node) -> bool:
    plain = attribute(node, "auto_pad", "NOTSET") in ("NOTSET", "VALID") and attribute(node, "alpha", 1.0) == 1
    return plain and 1 < _kernel(node)[1] <= _MOST_WEIGHTS


def _bytes_of(node: ir.Node) -> int:
    groups, count = _kernel(node)
    return groups * count * count * np.dtype(np.float32).itemsize


def _multiplied(node: ir.Node, value: Array, most: int) -> Array:
    """The values that each weight multiplies at `most` positions of a sample or so, as (groups, positions, K)."""
    if node.op_type == "Conv":
        return _of_convolution(node, value, most)
    value = value.T if attribute(node, "transA", 0) else value
    rows = value.reshape(-1, value.shape[-1])
    return rows[None, :: _step(len(rows), most)]


def _of_convolution(node: ir.Node, value: Array, most: int) -> Array:
    weights = input_constant(node, 1)
    assert weights is not None
    axes = weights.ndim - 2
    groups, pads, strides, dilations = (
        attribute(node, name, default)
        for name, default in (
            ("group", 1),
            ("pads", [0] * 2 * axes),
            ("strides", [1] * axes),
            ("dilations", [1] * axes),
        )
    )
    padded = np.pad(value, [(0, 0), (0, 0), *zip(pads[:axes], pads[axes:], strict=True)])
    window = [(size - 1) * dilation + 1 for size, dilation in zip(weights.shape[2:], dilations, strict=True)]
    # (N, C, positions..., kernel...), a view
    windows = np.lib.stride_tricks.sliding_window_view(padded, window, tuple(range(2, 2 + axes)))
    each: list[slice] = [slice(None), slice(None), *(slice(None, None, step) for step in (*strides, *dilations))]
    windows = windows[tuple(each)]
    sizes = (len(windows), *windows.shape[2 : 2 + axes])
    places = np.arange(0, prod(sizes), _step(prod(sizes), most, sizes[-1]))
    image, *position = np.unravel_index(places, sizes)
    # (positions, C, kernel...)
    found = np.moveaxis(windows, 1, -1 - axes)[(image, *position)]
    by_group = found.reshape(len(places), groups, found.shape[1] // groups, -1)
    return np.ascontiguousarray(by_group.transpose(1, 0, 3, 2)).reshape(groups, len(places), -1)


def _step(count: int, most: int, row: int = 1) -> int:
    """Which of `count` positions to take, so that there are `most` or a few less, not all in one column of rows."""
    step = -(-count // most)
    return step + 1 if step > 1 and row > 1 and row % step == 0 else step
