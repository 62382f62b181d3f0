"""Float32 models to integer ones."""

from collections.abc import Mapping

import numpy as np
import onnx

from zoosmith.quantize.calibration import Progress, Range, Samples, calibrate
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.graph import Graph, default_opset, reads
from zoosmith.quantize.lowering import Writer
from zoosmith.quantize.plan import Plan, encode, make_plan
from zoosmith.quantize.simplification import optimize
from zoosmith.quantize.stem import gather_positions

OLDEST_OPSET = 10
_QUANTIZED = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"}


def quantize(
    model: onnx.ModelProto, samples: Samples, *, method: str = "minmax", progress: Progress | None = None
) -> onnx.ModelProto:
    """Int8 weights, one scale an output channel, and uint8 activations, for all operators that have an integer form.

    `model` is float32, opset 10 or later; `samples` are its inputs by name, to calibrate on; `method` as for
    `calibrate`. The result is standard ONNX of the model's opset: QLinearConv, and on uint8 tensors what only moves
    values. Other operators stay in float between a DequantizeLinear and a QuantizeLinear. Weights are such that
    processors without VNNI do not saturate, so every processor computes the same integers. The same model and ranges
    give the same bytes.

    Raises QuantizeError for a model that is quantized already, of an opset below 10, with weights or activations that
    are not finite, or without anything to quantize.
    """
    graph = prepare(model)
    plan = make_plan(graph)
    ranges = calibrate(graph.model(), samples, method=method, tensors=plan.tensors, progress=progress)
    return write(graph, plan, ranges)


def prepare(model: onnx.ModelProto) -> Graph:
    """The float graph that is quantized: checked, simplified, folded, its stem in blocks."""
    _check(model)
    graph = Graph(optimize(model))
    gather_positions(graph)
    graph = Graph(graph.model())
    if not make_plan(graph).computed:
        raise QuantizeError("nothing to quantize; expected a Conv, Gemm or MatMul with constant weights")
    return graph


def write(graph: Graph, plan: Plan, ranges: Mapping[str, Range]) -> onnx.ModelProto:
    """The integer model of a plan. `ranges` hold `plan.tensors`. The graph is left as it was."""
    graph = Graph(graph.model())
    encodings = encode(graph, plan, ranges)
    writer = Writer(graph, ranges)
    floats = {value.name for value in graph.inputs}

    def dequantize(name: str) -> None:
        if name in writer.names and name not in floats:
            writer.emit("DequantizeLinear", [writer.names[name], *writer.parameters(name)], name)
            floats.add(name)

    for step in plan.steps:
        if step.lowering is None:
            for name in reads(step.node):
                dequantize(name)
            writer.nodes.append(step.node)
            floats.update(step.node.output)
            continue
        for name in step.sources:
            if name not in writer.names:
                output = writer.announce(name, encodings[name])
                writer.emit("QuantizeLinear", [name, *writer.parameters(name)], output)
        if step.output in encodings:
            writer.encodings[step.output] = encodings[step.output]
        step.lowering.write(writer, step.node, step.output)
    for value in graph.outputs:
        dequantize(value.name)
    graph.nodes = writer.nodes
    return graph.model()


def _check(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type in _QUANTIZED or node.op_type.startswith("QLinear"):
            raise QuantizeError(f"already quantized: it holds {node.op_type}; expected a float32 model")
    opset = default_opset(model)
    if opset < OLDEST_OPSET:
        raise QuantizeError(
            f"opset {opset}, expected {OLDEST_OPSET} or later, where integer operators begin: convert the model first"
        )
    for name, value in Graph(model).constants.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise QuantizeError(f"initializer {name}: holds NaN or infinity; expected finite weights")
