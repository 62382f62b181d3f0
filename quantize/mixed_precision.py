"""Mixed precision: quantize as much as a limit of the drop allows, the layers that cost most stay in float."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir

from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.constants import Array
from zoosmith.optimize import to_proto
from zoosmith.optimize.values import name_of
from zoosmith.quantize.calibration import Range, Samples, calibrate
from zoosmith.quantize.partition import partition
from zoosmith.quantize.quantizer import prepare, write_integer
from zoosmith.validation import OnnxRuntimeRunner

# Samples that a layer's own error is measured on: it only ranks the layers.
_RANKING_SAMPLES = 8


@dataclass(frozen=True)
class Limited:
    """What `quantize_within` found.

    Attributes:
        model: the quantized model.
        drop: of that model.
        kept: the layers that stayed in float (names of the values that they make), the costliest first.
        met: whether the drop is inside the limit; where it is not, this is the best that was found.
    """

    model: onnx.ModelProto
    drop: float
    kept: tuple[str, ...]
    met: bool


def quantize_within(
    model: onnx.ModelProto,
    samples: Samples,
    drop_of: Callable[[onnx.ModelProto], float],
    limit: float,
    *,
    method: str = "minmax",
    progress: Progress = SILENT,
) -> Limited:
    """Quantize with as few layers left in float as bring the drop to a limit or below; at least one is quantized.

    A layer is a Conv, Gemm or MatMul. Layers are ranked by their own error: what the outputs lose when that layer alone
    is quantized. Then 1, 2, 4, ... of the worst stay in float until the drop is inside the limit, and the fewest that
    do are found by bisection.

    Args:
        model: as for `quantize`.
        samples: as for `quantize`.
        drop_of: what a quantized model loses, in the unit of `limit`.
        limit: the largest drop to accept.
        method: as for `calibrate`.
        progress: notified of the calibration runs and of the layers ranked.

    Raises:
        QuantizeError: as for `quantize`.
    """
    prepared = prepare(model)
    exact = to_proto(prepared)
    tensors = partition(prepared).calibrated
    ranges = calibrate(exact, samples, method=method, tensors=tensors, progress=progress)
    first = _tried(prepared, ranges, (), drop_of, limit)
    if first.met:
        return first
    ranked = _rank(prepared, exact, ranges, samples[:_RANKING_SAMPLES], progress)
    best, failed, count = first, 0, 1
    while count < len(ranked):
        found = _tried(prepared, ranges, tuple(ranked[:count]), drop_of, limit)
        best = min(best, found, key=lambda result: (result.drop, len(result.kept)))
        if found.met:
            return _fewest(prepared, ranges, ranked, failed, found, drop_of, limit)
        failed = count
        count = min(2 * count, len(ranked) - 1) if count < len(ranked) - 1 else len(ranked)
    return best


def _fewest(
    prepared: ir.Model,
    ranges: Mapping[str, Range],
    ranked: list[str],
    failed: int,
    found: Limited,
    drop_of: Callable[[onnx.ModelProto], float],
    limit: float,
) -> Limited:
    while len(found.kept) - failed > 1:
        middle = (len(found.kept) + failed) // 2
        tried = _tried(prepared, ranges, tuple(ranked[:middle]), drop_of, limit)
        if tried.met:
            found = tried
        else:
            failed = middle
    return found


def _tried(
    prepared: ir.Model,
    ranges: Mapping[str, Range],
    kept: tuple[str, ...],
    drop_of: Callable[[onnx.ModelProto], float],
    limit: float,
) -> Limited:
    result = _quantized(prepared, ranges, kept)
    drop = drop_of(result)
    return Limited(result, drop, kept, drop <= limit)


def _quantized(prepared: ir.Model, ranges: Mapping[str, Range], kept: Collection[str]) -> onnx.ModelProto:
    """The integer model in which the layers that make `kept` stay in float; `prepared` is left as it was."""
    result = prepared.clone()
    write_integer(result, partition(result, kept), ranges)
    return to_proto(result)


def _rank(
    prepared: ir.Model,
    exact: onnx.ModelProto,
    ranges: Mapping[str, Range],
    samples: Samples,
    progress: Progress,
) -> list[str]:
    """The values that the layers make, those first whose layer does most harm when it alone is quantized."""
    layers = [name_of(step.node.outputs[0]) for step in partition(prepared).computed]
    wanted = _outputs(exact, samples)
    errors = {}
    with progress.task("ranking layers", len(layers)) as task:
        for layer in layers:
            others = [name for name in layers if name != layer]
            errors[layer] = _distance(wanted, _outputs(_quantized(prepared, ranges, others), samples))
            task.advance()
    return sorted(layers, key=lambda layer: -errors[layer])


def _outputs(model: onnx.ModelProto, samples: Samples) -> list[Array]:
    runner = OnnxRuntimeRunner(model)
    rows = [runner.run(sample) for sample in samples]
    return [np.stack([np.asarray(row[name], np.float64) for row in rows]) for name in runner.output_names]


def _distance(exact: list[Array], found: list[Array]) -> float:
    """Root mean square error over the standard deviation, of the worst output."""
    return max(float(np.sqrt(np.mean((a - b) ** 2)) / (np.std(a) or 1.0)) for a, b in zip(exact, found, strict=True))
