"""Quantize as much as a limit allows: the layers that cost most stay in float."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from zoosmith.quantize.calibration import Progress, Range, Samples, calibrate
from zoosmith.quantize.graph import Array, Graph
from zoosmith.quantize.plan import make_plan
from zoosmith.quantize.quantizer import prepare, write
from zoosmith.validation import OnnxRuntimeRunner

# Samples that a layer's own error is measured on: it only ranks the layers.
_RANKING_SAMPLES = 8


@dataclass(frozen=True)
class Limited:
    """A quantized model, its drop, and the layers that stayed in float (tensors that they make), the costliest first.

    `met` tells whether the drop is inside the limit; where it is not, this is the best that was found.
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
    progress: Progress | None = None,
) -> Limited:
    """Quantize with as few layers left in float as bring `drop_of` the result to `limit` or below.

    A layer is a Conv, Gemm or MatMul. Layers are ranked by their own error: what the outputs lose when that layer alone
    is quantized. Then 1, 2, 4, ... of the worst stay in float until the drop is inside the limit, and the fewest that
    do are found by bisection. At least one layer is quantized. Raises QuantizeError as `quantize` does.
    """
    graph = prepare(model)
    plan = make_plan(graph)
    ranges = calibrate(graph.model(), samples, method=method, tensors=plan.tensors, progress=progress)
    first = _tried(graph, ranges, (), drop_of, limit)
    if first.met:
        return first
    ranked = _rank(graph, ranges, samples[:_RANKING_SAMPLES], progress)
    best, failed, count = first, 0, 1
    while count < len(ranked):
        found = _tried(graph, ranges, tuple(ranked[:count]), drop_of, limit)
        best = min(best, found, key=lambda result: (result.drop, len(result.kept)))
        if found.met:
            return _fewest(graph, ranges, ranked, failed, found, drop_of, limit)
        failed = count
        count = min(2 * count, len(ranked) - 1) if count < len(ranked) - 1 else len(ranked)
    return best


def _fewest(
    graph: Graph,
    ranges: Mapping[str, Range],
    ranked: list[str],
    failed: int,
    found: Limited,
    drop_of: Callable[[onnx.ModelProto], float],
    limit: float,
) -> Limited:
    while len(found.kept) - failed > 1:
        middle = (len(found.kept) + failed) // 2
        tried = _tried(graph, ranges, tuple(ranked[:middle]), drop_of, limit)
        if tried.met:
            found = tried
        else:
            failed = middle
    return found


def _tried(
    graph: Graph,
    ranges: Mapping[str, Range],
    kept: tuple[str, ...],
    drop_of: Callable[[onnx.ModelProto], float],
    limit: float,
) -> Limited:
    result = write(graph, make_plan(graph, kept), ranges)
    drop = drop_of(result)
    return Limited(result, drop, kept, drop <= limit)


def _rank(graph: Graph, ranges: Mapping[str, Range], samples: Samples, progress: Progress | None) -> list[str]:
    """The tensors that the layers make, those first whose layer does most harm when it alone is quantized."""
    layers = [step.node.output[0] for step in make_plan(graph).computed]
    exact = _outputs(graph.model(), samples)
    errors = {}
    for done, layer in enumerate(layers, start=1):
        others = [name for name in layers if name != layer]
        errors[layer] = _distance(exact, _outputs(write(graph, make_plan(graph, others), ranges), samples))
        if progress:
            progress("ranking layers", done, len(layers))
    return sorted(layers, key=lambda layer: -errors[layer])


def _outputs(model: onnx.ModelProto, samples: Samples) -> list[Array]:
    runner = OnnxRuntimeRunner(model)
    rows = [runner.run(sample) for sample in samples]
    return [np.stack([np.asarray(row[name], np.float64) for row in rows]) for name in runner.output_names]


def _distance(exact: list[Array], found: list[Array]) -> float:
    """Root mean square error over the standard deviation, of the worst output."""
    return max(float(np.sqrt(np.mean((a - b) ** 2)) / (np.std(a) or 1.0)) for a, b in zip(exact, found, strict=True))
