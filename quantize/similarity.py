"""How alike the outputs of a float model and of an integer one are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.selection import before_selection
from zoosmith.validation import OnnxRuntimeRunner, runner_for

Outputs = Sequence[Mapping[str, Any]]


def run(model: onnx.ModelProto, samples: Samples) -> Outputs:
    """The outputs for each sample, by name. Raises ValidationError where the model cannot be run."""
    runner = runner_for(model)
    return [runner.run(sample) for sample in samples]


def cosine(exact: Outputs, found: Outputs) -> float | None:
    """The smallest cosine between a float32 output and its counterpart, over all samples together.

    Values that are not finite are left out, and outputs whose shape depends on the values: None where none are left.
    """
    results = []
    for name in exact[0] if exact else ():
        pairs = [(a[name], b[name]) for a, b in zip(exact, found, strict=True)]
        if not all(_comparable(a, b) for a, b in pairs):
            continue
        wanted, given = (np.concatenate([pair[side].reshape(-1) for pair in pairs]) for side in (0, 1))
        usable = np.isfinite(wanted) & np.isfinite(given)
        wanted, given = wanted[usable].astype(np.float64), given[usable].astype(np.float64)
        length = float(np.linalg.norm(wanted) * np.linalg.norm(given))
        results.append(float(wanted @ given) / length if length else float(np.array_equal(wanted, given)))
    return min(results, default=None)


def _comparable(exact: Any, found: Any) -> bool:
    return isinstance(exact, np.ndarray) and exact.dtype == np.float32 and exact.shape == found.shape


class CosineLoss:
    """What a quantized model loses: 1 less its cosine to the float one, on a few samples, before boxes are selected.

    Args:
        exact: the float model.
        samples: the inputs by name.
        more: others that are looked at as well where `samples` are few; the loss is that of `samples` alone or of all,
            whichever is larger.
        node_by_node: the model is one for other runtimes, too, which may run its nodes one by one: the loss is that of
            ONNX Runtime with its joined operators or without, whichever is larger.
    """

    def __init__(
        self, exact: onnx.ModelProto, samples: Samples, more: Samples = (), *, node_by_node: bool = False
    ) -> None:
        self._count = len(samples)
        self._samples = [*samples, *more] if more else samples
        self._node_by_node = node_by_node
        self._wanted = run(before_selection(exact), self._samples)

    def __call__(self, model: onnx.ModelProto) -> float:
        """The loss of a model; 0 where no outputs can be compared."""
        model = before_selection(model)
        losses = self._losses(run(model, self._samples))
        if self._node_by_node:
            runner = OnnxRuntimeRunner(model, node_by_node=True)
            losses += self._losses([runner.run(sample) for sample in self._samples])
        return max(losses)

    def _losses(self, found: Outputs) -> list[float]:
        counts = sorted({self._count, len(self._samples)})
        cosines = [cosine(self._wanted[:count], found[:count]) for count in counts]
        return [0.0 if each is None else 1 - each for each in cosines]
