"""Mixed precision: quantize as much as a limit of the drop allows, the layers that cost most stay in float."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.constants import Array
from zoosmith.optimize import to_proto
from zoosmith.optimize.values import name_of
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.integer_writer import Encoding
from zoosmith.quantize.layer import Layer
from zoosmith.quantize.layers import MEASURED, measure_layers, signal_to_noise
from zoosmith.quantize.output_errors import output_error
from zoosmith.quantize.partition import Partition, partition
from zoosmith.quantize.planning import integer_nodes, tensor_shapes
from zoosmith.quantize.quantizer import prepare, write_integer
from zoosmith.quantize.ranges_cache import kept_or_calibrated
from zoosmith.quantize.target import INTEGER, Target
from zoosmith.validation import OnnxRuntimeRunner


@dataclass(frozen=True)
class Limited:
    """What `quantize_within` found.

    Attributes:
        model: the quantized model.
        drop: of that model.
        kept: the layers that stayed in float (names of the values that they make), the costliest first.
        met: whether the drop is inside the limit; where it is not, this is the best that was found.
        layers: the integer layers of that model.
    """

    model: onnx.ModelProto
    drop: float
    kept: tuple[str, ...]
    met: bool
    layers: tuple[Layer, ...]


def quantize_within(
    model: onnx.ModelProto,
    samples: Samples,
    drop_of: Callable[[onnx.ModelProto], float] = lambda model: 0.0,
    limit: float = 0.0,
    *,
    method: str = "minmax",
    target: Target = INTEGER,
    keep: int = 0,
    rank: bool = False,
    cache: Path | None = None,
    progress: Progress = SILENT,
) -> Limited:
    """Quantize with as few layers left in float as bring the drop to a limit or below; at least one is quantized.

    A layer is a Conv, Gemm or MatMul. Layers are ranked by their own error: what the outputs lose when that layer alone
    is quantized. Then 1, 2, 4, ... of the worst stay in float until the drop is inside the limit, and the fewest that
    do are found by bisection. (On PP-OCR and NudeNet the errors of the layers' own values rank them worse: the outputs'
    error with the 8 worst of 64 layers in float is 0.012 standard deviations by this rank, 0.033 by the other.)

    Args:
        model: as for `quantize`.
        samples: as for `quantize`.
        drop_of: what a quantized model loses, in the unit of `limit`; by default nothing.
        limit: the largest drop to accept.
        method: as for `calibrate`.
        target: the form of the result.
        keep: how many of the worst layers stay in float in any case.
        rank: measure each layer's own error even where nothing has to be chosen by it.
        cache: as for `quantize`.
        progress: notified of the calibration runs and of the layers ranked.

    Raises:
        QuantizeError: as for `quantize`; or no layer would be quantized.
    """
    calibrated = _Calibrated(model, samples, method, target, cache, progress)
    layers = len(calibrated.layers)
    if keep >= layers > 0:
        raise QuantizeError(f"{keep} layers to keep in float of {layers} in all; expected at most {layers - 1}")
    ranked = calibrated.ranked(progress) if keep or rank else []
    search = _Search(calibrated, drop_of, limit)
    found = search.tried(ranked[:keep])
    if not found.met:
        found = search.run(ranked or calibrated.ranked(progress), keep, found)
    return Limited(found.integer.model, found.drop, found.kept, found.met, calibrated.measured(found.integer))


class _Calibrated:
    """A float model with the ranges of its values: integer models are written from it, any layers left in float."""

    def __init__(
        self,
        model: onnx.ModelProto,
        samples: Samples,
        method: str,
        target: Target,
        cache: Path | None,
        progress: Progress,
    ) -> None:
        self._target = target
        self._prepared = prepare(model)
        self._exact = to_proto(self._prepared)
        self._shapes = tensor_shapes(self._prepared, self._exact, samples)
        parts = partition(self._prepared, self._chosen(self._prepared, ()))
        self._ranges = kept_or_calibrated(
            self._exact, samples, method=method, tensors=self._shapes, cache=cache, progress=progress
        )
        self._samples = samples[:MEASURED]
        self._alone_db: dict[str, float | None] = {}
        # a layer has the name of what its node makes, and in reports that of the Relu or Clip which joined it
        self.layers = {name_of(step.node.outputs[0]): name_of(step.output) for step in parts.computed}

    def _chosen(self, model: ir.Model, kept: Collection[str]) -> set[str]:
        return integer_nodes(model, self._shapes, keep_float=kept, whole=self._target.whole)

    def quantized(self, kept: Collection[str]) -> "_Integer":
        """The integer model in which the layers that make `kept` stay in float."""
        result = self._prepared.clone()
        return self._written(result, self._chosen(result, kept), kept)

    def _alone_in_integers(self, layer: str) -> "_Integer":
        return self._written(self._prepared.clone(), {layer}, [other for other in self.layers if other != layer])

    def _written(self, result: ir.Model, integer: Collection[str], exact: Collection[str]) -> "_Integer":
        parts = partition(result, integer)
        encodings = write_integer(result, parts, self._ranges, self._target, exact)
        return _Integer(to_proto(result), parts, encodings)

    def ranked(self, progress: Progress) -> list[str]:
        """The values that the layers make, those first whose layer does most harm when it alone is quantized."""
        wanted = _outputs(self._exact, self._samples)
        errors = {}
        with progress.task("ranking layers", len(self.layers)) as task:
            for layer, name in self.layers.items():
                found = _outputs(self._alone_in_integers(layer).model, self._samples)
                errors[layer] = _distance(wanted, found)
                self._alone_db[name] = _ratio(wanted, found)
                task.advance()
        return sorted(self.layers, key=lambda layer: -errors[layer])

    def measured(self, found: "_Integer") -> tuple[Layer, ...]:
        """The integer layers of a model, on the first samples."""
        layers = measure_layers(
            self._exact, found.model, found.parts, found.encodings, self._samples, signed=self._target.signed
        )
        return tuple(replace(layer, alone_db=self._alone_db.get(layer.name)) for layer in layers)


@dataclass(frozen=True)
class _Integer:
    """An integer model, and what it was written from."""

    model: onnx.ModelProto
    parts: Partition
    encodings: Mapping[str, Encoding]


@dataclass(frozen=True)
class _Tried:
    """A model with the layers that it keeps in float, and what it loses."""

    integer: _Integer
    drop: float
    kept: tuple[str, ...]
    met: bool


class _Search:
    """The search for the fewest layers in float that keep a limit."""

    def __init__(self, calibrated: _Calibrated, drop_of: Callable[[onnx.ModelProto], float], limit: float) -> None:
        self._calibrated = calibrated
        self._drop_of = drop_of
        self._limit = limit

    def tried(self, kept: Sequence[str]) -> _Tried:
        result = self._calibrated.quantized(kept)
        drop = self._drop_of(result.model)
        return _Tried(result, drop, tuple(kept), drop <= self._limit)

    def run(self, ranked: list[str], failed: int, first: _Tried) -> _Tried:
        """Keep more than the first `failed` layers in float; `first` is the model with these."""
        best, more = first, 1
        while failed + more < len(ranked):
            found = self.tried(ranked[: failed + more])
            best = min(best, found, key=lambda result: (result.drop, len(result.kept)))
            if found.met:
                return self._fewest(ranked, failed, found)
            failed += more
            # the last try leaves one layer in integers
            more = min(failed, max(1, len(ranked) - 1 - failed))
        return best

    def _fewest(self, ranked: list[str], failed: int, found: _Tried) -> _Tried:
        while len(found.kept) - failed > 1:
            middle = (len(found.kept) + failed) // 2
            tried = self.tried(ranked[:middle])
            if tried.met:
                found = tried
            else:
                failed = middle
        return found


def _outputs(model: onnx.ModelProto, samples: Samples) -> list[list[Any]]:
    """For each output its values on each sample."""
    runner = OnnxRuntimeRunner(model)
    rows = [runner.run(sample) for sample in samples]
    return [[row[name] for row in rows] for name in runner.output_names]


def _compared(exact: list[list[Any]], found: list[list[Any]]) -> Iterator[tuple[Array, Array]]:
    """Values and errors of each output that has values."""
    for wanted, given in zip(exact, found, strict=True):
        pairs = [output_error(a, b) for a, b in zip(wanted, given, strict=True)]
        values, errors = (np.concatenate(part) for part in zip(*pairs, strict=True))
        if values.size:
            yield values, errors


def _distance(exact: list[list[Any]], found: list[list[Any]]) -> float:
    """Root mean square error over the standard deviation, of the worst output."""
    return max(
        (float(np.sqrt(np.mean(errors**2)) / (np.std(values) or 1.0)) for values, errors in _compared(exact, found)),
        default=0.0,
    )


def _ratio(exact: list[list[Any]], found: list[list[Any]]) -> float | None:
    """The signal-to-noise ratio of the worst output."""
    ratios = [
        signal_to_noise(float(np.mean(values * values)), float(np.mean(errors * errors)))
        for values, errors in _compared(exact, found)
    ]
    return min((ratio for ratio in ratios if ratio is not None), default=None)
