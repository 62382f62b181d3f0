"""Float32 models to integer ones."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
import onnx_ir as ir

from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.constants import Array, constant_value
from zoosmith.onnx_model.external_data import external_tensors
from zoosmith.onnx_model.mapped import values_of
from zoosmith.onnx_model.opsets import default_opset, required_opset
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.optimize import OptimizeError, fold_to_ir, to_proto
from zoosmith.optimize.passes.unit_axes import MergeUnitAxes
from zoosmith.optimize.values import is_standard, name_of, read_values
from zoosmith.quantize.calibration import Range, Samples
from zoosmith.quantize.errors import NothingToQuantizeError, QuantizeError
from zoosmith.quantize.plan.partition import Partition, partition, units
from zoosmith.quantize.plan.planning import integer_nodes, tensor_shapes
from zoosmith.quantize.plan.shared_scales import MUCH_COARSER, choose_parameters
from zoosmith.quantize.ranges_cache import kept_or_calibrated
from zoosmith.quantize.rewrites.affines_before_convolutions import AffinesBeforeConvolutions
from zoosmith.quantize.rewrites.concatenated_channels import equalize_concatenated
from zoosmith.quantize.rewrites.depthwise_padding import PadDepthwiseConvolutions
from zoosmith.quantize.rewrites.equalized_channels import equalize_channels
from zoosmith.quantize.rewrites.gated_activations import GatedActivations
from zoosmith.quantize.rewrites.gelu import ScalarsAroundErf
from zoosmith.quantize.rewrites.magnitudes import Magnitudes
from zoosmith.quantize.rewrites.signal_convolutions import SignalConvolutions
from zoosmith.quantize.rewrites.space_to_depth import SpaceToDepthConvolutions
from zoosmith.quantize.subgraphs import Within, quantize_every_graph
from zoosmith.quantize.target import INTEGER, OLDEST_OPSET, Target
from zoosmith.quantize.writing.contrib_operators import CONTRIB_INTEGERS, use_contrib_operators
from zoosmith.quantize.writing.float_layers import keep_in_float
from zoosmith.quantize.writing.gelus import complete_gelus
from zoosmith.quantize.writing.integer_writer import Encoding, IntegerWriter
from zoosmith.quantize.writing.normalizations import sum_before_normalizations
from zoosmith.quantize.writing.qdq_writer import QdqWriter
from zoosmith.quantize.writing.rounded_weights import NONE_ROUNDED, RoundedWeights
from zoosmith.quantize.writing.shared_weights import share_equal_weights
from zoosmith.quantize.writing.stored_weights import store_as_int8, stores_int8

_QUANTIZED = {
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"),
    *CONTRIB_INTEGERS,
}
_QUANTIZABLE = "a Conv, Gemm or MatMul with constant weights in float32"
_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization"}


def quantize(
    model: onnx.ModelProto,
    samples: Samples,
    *,
    method: str = "minmax",
    target: Target = INTEGER,
    cache: Path | None = None,
    progress: Progress = SILENT,
) -> onnx.ModelProto:
    """Quantize what is faster in integers: int8 weights with scales per output channel, uint8 activations.

    The result is standard ONNX of the model's opset: QLinearConv, and on uint8 tensors what only moves values. Other
    operators stay in float between a DequantizeLinear and a QuantizeLinear, their weights stored as int8. Integer
    weights are such that processors without VNNI do not saturate, so every processor computes the same integers. The
    same model and ranges give the same bytes.

    Args:
        model: float32, opset 10 or later; it is left as it was.
        samples: the model's inputs by name, to calibrate on.
        method: as for `calibrate`.
        target: the form of the result.
        cache: folder in which ranges are kept for the next time; None for none.
        progress: notified of the calibration runs.

    Returns:
        The quantized model, a new one.

    Raises:
        TypeError: the model is no ModelProto, or the samples are no sequence of arrays by input name.
        ModelError: the model imports no opset of ONNX's own operators.
        QuantizeError: the model is quantized already, of an opset below 10, has weights or activations that are not
            finite, or nothing to quantize.
        ValidationError: a sample does not fit the model.
    """

    def quantize_graph(graph: onnx.ModelProto, given: Samples, _: Within) -> onnx.ModelProto:
        prepared = prepare(graph, target)
        exact = to_proto(prepared)
        shapes = tensor_shapes(prepared, exact, given)
        parts = partition(prepared, integer_nodes(prepared, shapes, target=target))
        ranges = kept_or_calibrated(exact, given, method=method, tensors=shapes, cache=cache, progress=progress)
        ranges = equalized(prepared, shapes, ranges, target)
        write_integer(prepared, parts, ranges, target)
        return to_proto(prepared)

    refuse_newer(model, target)
    return quantize_every_graph(without_functions(model), samples, simplified, quantize_graph, progress)


def equalized(
    model: ir.Model, shapes: Mapping[str, tuple[int, ...]], ranges: Mapping[str, Range], target: Target
) -> dict[str, Range]:
    """Make channels that share a scale alike, in place, and return the ranges after it.

    Args:
        model: as `prepare` gives it.
        shapes: of its float32 tensors, by name.
        ranges: of these, by name.
        target: the form that will be written. In integers each channel has a scale of its own behind a Concat.
    """
    result = equalize_channels(model, shapes, ranges)
    return equalize_concatenated(model, result) if target.format == "qdq" else result


def refuse_newer(model: onnx.ModelProto, target: Target) -> None:
    """Raise QuantizeError where the runtime that a file is for does not take the model's opset."""
    runtime, opset = target.runtime, default_opset(model) if isinstance(model, onnx.ModelProto) else None
    if runtime is not None and opset is not None and opset > runtime.opset:
        raise QuantizeError(f"opset {opset}; {runtime} takes opsets up to {runtime.opset}: convert the model first")


def without_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """The float model without functions of its own.

    Raises:
        TypeError: it is no message, but a path or bytes.
        ModelError: as for `quantize`.
        QuantizeError: the model cannot be quantized, for what `quantize` names.
    """
    if not isinstance(model, onnx.ModelProto):
        raise TypeError(f"expected a ModelProto, not {type(model).__name__}")
    refuse_quantized(model)
    _check(model)
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with what is constant computed, and without branches that are never taken.

    Raises:
        QuantizeError: the model is not valid.
    """
    return to_proto(_folded(model))


def prepare(model: onnx.ModelProto, target: Target = INTEGER) -> ir.Model:
    """The float model that is quantized: checked, optimized, and rewritten where integer kernels are faster.

    Raises:
        ModelError: as for `quantize`.
        QuantizeError: as for `quantize`.
    """
    return rewrite(fold(model), target)


def fold(model: onnx.ModelProto) -> ir.Model:
    """The float model, checked and optimized.

    Raises:
        ModelError: as for `quantize`.
        QuantizeError: as for `quantize`.
    """
    _check(model)
    return _folded(model)


def rewrite(result: ir.Model, target: Target = INTEGER) -> ir.Model:
    """Put a float model of `fold` in the form with the faster integer kernels, in place.

    The QDQ form goes without SpaceToDepth: OpenVINO (2026.4) is as fast without it, OpenCV (4.10) faster.

    Raises:
        NothingToQuantizeError: no operator has weights and an integer form.
    """
    GatedActivations()(result)
    ScalarsAroundErf()(result)
    AffinesBeforeConvolutions()(result)
    PadDepthwiseConvolutions()(result)
    if target.format == "integer":
        SpaceToDepthConvolutions()(result)
    SignalConvolutions()(result)
    Magnitudes()(result)
    MergeUnitAxes()(result)
    if not layers(result):
        raise NothingToQuantizeError(f"nothing to quantize{_other_types(result)}; expected {_QUANTIZABLE}")
    return result


def _other_types(model: ir.Model) -> str:
    """What weights a model has that are not float32."""
    weights = [node.inputs[1] for node in model.graph if node.op_type in _WEIGHTED and len(node.inputs) > 1]
    types = {value.dtype.name.lower() for value in weights if value is not None and value.dtype is not None}
    other = sorted(types - {"float"})
    return f", its weights are {' and '.join(other)}" if other else ""


def _folded(model: onnx.ModelProto) -> ir.Model:
    try:
        return fold_to_ir(model)
    except OptimizeError as error:
        raise QuantizeError(str(error)) from error


def layers(model: ir.Model) -> list[ir.Node]:
    """The nodes that have weights and an integer form: Conv, Gemm and MatMul."""
    return [step.node for step in units(model) if step.form and step.form.starts]


def write_integer(
    model: ir.Model,
    parts: Partition,
    ranges: Mapping[str, Range],
    target: Target = INTEGER,
    exact: Collection[str] = (),
    coarser: float = MUCH_COARSER,
    rounded: Mapping[str, RoundedWeights] = NONE_ROUNDED,
) -> dict[str, Encoding]:
    """Make the float model integer, in place.

    Args:
        model: what `parts` was made of.
        parts: the nodes that become integer.
        ranges: of the values that become integer, by name.
        target: the form to write.
        exact: names of layers in float that keep their float weights; others in float store them as int8, or multiply
            integers in an operator of com.microsoft, where the target has these.
        coarser: as for `choose_parameters`.
        rounded: weights that are rounded already, by the names of their layers.

    Returns:
        The encoded values, by the names of the float ones.
    """
    parameters = choose_parameters(model, parts, ranges, target, coarser)
    writer = (
        IntegerWriter(model, ranges, rounded)
        if target.format == "integer"
        else QdqWriter(model, ranges, target, rounded)
    )
    computed = {step.output for step in parts.steps if step.encodes}
    read = Counter(
        value
        for step in parts.steps
        if step.form is None and not is_standard(step.node, "Shape")
        for value in set(read_values(step.node))
    )
    for step in parts.steps:
        writer.go_to(step.node)
        if step.form is None:
            for value in read_values(step.node):
                if value in computed:
                    writer.dequantize(value, once=read[value] > 1)
            continue
        for value in step.sources:
            if value not in writer.quantized:
                writer.quantize(value, parameters[value])
        if step.output in parameters:
            writer.parameters[step.output] = parameters[step.output]
            writer.keep_within(step.output, step.lowest, step.highest)
        step.form.write(writer, step.node, step.output)
    writer.go_to(None)
    for value in model.graph.outputs:
        if value in computed:
            writer.dequantize(value)
    encodings = writer.encodings()
    writer.finish([node for step in parts.steps if step.form for node in step.replaced])
    store_as_int8(model, [node for node in layers(model) if name_of(node.outputs[0]) not in exact], ranges, rounded)
    share_equal_weights(model)
    keep_in_float(model)
    if target.format == "integer":
        complete_gelus(model)
        sum_before_normalizations(model)
    if target.contrib_operators:
        use_contrib_operators(model, target.contrib_operators, exact)
    return encodings


def refuse_quantized(model: onnx.ModelProto) -> None:
    """Raise QuantizeError where a model holds integer operators, in its graph or inside of nodes."""
    for node in all_nodes(model):
        if node.op_type in _QUANTIZED or node.op_type.startswith("QLinear"):
            raise QuantizeError(f"already quantized: it holds {node.op_type}; expected a float32 model")
    if stores_int8(model):
        raise QuantizeError("already quantized: it holds weights stored as int8; expected a float32 model")


def _check(model: onnx.ModelProto) -> None:
    for tensor in external_tensors(model):
        raise QuantizeError(f"tensor {tensor.name!r}: its data lies in a file; load the model with its data")
    opset = required_opset(model)
    if opset < OLDEST_OPSET:
        raise QuantizeError(
            f"opset {opset}, expected {OLDEST_OPSET} or later, where integer operators begin: convert the model first"
        )
    # a mask may hold -inf; what is multiplied may not
    multiplied = {name for node in model.graph.node if node.op_type in _WEIGHTED for name in node.input}
    for name, value in _constants(model.graph):
        if value.dtype.kind != "f":
            continue
        if np.isnan(value).any() or (name in multiplied and not np.isfinite(value).all()):
            raise QuantizeError(f"initializer {name}: holds NaN or infinity; expected finite weights")


def _constants(graph: onnx.GraphProto) -> Iterator[tuple[str, Array]]:
    for tensor in graph.initializer:
        yield tensor.name, values_of(tensor)
    for node in graph.node:
        value = constant_value(node)
        if value is not None:
            yield node.output[0], value
