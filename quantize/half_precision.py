"""Float32 models in half precision: values and weights in float16, or weights alone in bfloat16."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx.inliner
from onnx import TensorProto

from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.ir_versions import lowered_ir
from zoosmith.onnx_model.opsets import required_opset
from zoosmith.onnx_model.traversal import all_graphs
from zoosmith.optimize import OptimizeError
from zoosmith.optimize.validity import valid
from zoosmith.quantize.calibration import Samples, Watched
from zoosmith.quantize.errors import NothingToQuantizeError, QuantizeError
from zoosmith.quantize.layer import Layer
from zoosmith.quantize.layers import MEASURED, signal_to_noise
from zoosmith.quantize.quantizer import refuse_quantized, simplified
from zoosmith.quantize.subgraphs import Within, quantize_every_graph
from zoosmith.quantize.writing.float16_writer import LARGEST, Float16Writer, is_beyond
from zoosmith.quantize.writing.half_weights_writer import BFLOAT16, FLOAT16, weights_in_half

# Decibels that a value must keep over the error of half precision: 1 % of its root mean square; where the model as a
# whole is not accepted, more. And how often what loses more is kept: each round finds at least one layer more.
LEAST_DB = ((40.0, 5), (60.0, 3))
# samples that values are measured on; a model is accepted on all
_MEASURED = 4
# where all of this does not help, a first or last part of the nodes stays in float32: in steps of this share of them
_STEP = 1 / 32
# and the model is taken if it is smaller by more than this
_WORTH = 0.98
# the first opset whose Cast takes bfloat16
OLDEST_OF_BFLOAT16 = 13

# operators for whose weights graphs inside of nodes are looked at
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN")

Accepted = Callable[[onnx.ModelProto], bool]


@dataclass(frozen=True)
class Half:
    """A model in half precision.

    Attributes:
        model: inputs and outputs have the types of the original.
        kept: the values that nodes still make in float32, or by float32 weights, because they would lose too much.
        layers: what became of the values in float16; empty for bfloat16, whose values stay in float32.
    """

    model: onnx.ModelProto
    kept: tuple[str, ...]
    layers: tuple[Layer, ...]


def to_half(
    model: onnx.ModelProto,
    samples: Samples,
    kind: str,
    *,
    accepted: Accepted = lambda found: True,
    progress: Progress = SILENT,
) -> Half:
    """Halve the size of a model.

    In `float16`, nodes compute in float16 where their operator allows it, between Casts. Nodes whose values on the
    samples are beyond its range, or keep less than 40 dB over their error while their inputs keep that, stay in
    float32. More stay where the model is not accepted: what keeps less than 60 dB, then a first or last part of the
    nodes, or the values of all; of those accepted the smallest model is taken. A graph inside of a node is a model of
    its own, with samples of what it reads. In `bfloat16`, weights are kept in it and cast to float32 when the model is
    loaded, since ONNX Runtime has no operators of bfloat16 on processors; its largest number is 0.4 % below float32's.

    Args:
        model: float32; it is left as it was.
        samples: the model's inputs by name; the first ones are run.
        kind: `float16` or `bfloat16`.
        accepted: whether a model in half precision is near enough to the original.
        progress: told of graphs that stay in float32.

    Raises:
        QuantizeError: the model is not valid, holds no float32 values, or is of an opset that does not know bfloat16.
        ValidationError: a sample does not fit the model.
    """
    refuse_quantized(model)
    whole = onnx.inliner.inline_local_functions(model) if model.functions else model
    try:
        whole = _without_overridable_initializers(valid(whole))
    except OptimizeError as error:
        raise QuantizeError(str(error)) from error
    if kind == BFLOAT16:
        half = _in_bfloat16(whole, samples[:MEASURED], accepted)
        half.model.ir_version = lowered_ir(half.model)
        return half
    every: list[Half] = []

    def halve(graph: onnx.ModelProto, given: Samples, within: Within) -> onnx.ModelProto:
        every.append(_in_float16(graph, given[:MEASURED], lambda found: accepted(within(found))))
        return every[-1].model

    result = quantize_every_graph(whole, samples[:MEASURED], simplified, halve, progress, _WEIGHTED)
    kept = tuple(name for each in every for name in each.kept)
    return Half(result, kept, tuple(layer for each in every for layer in each.layers))


def _in_float16(model: onnx.ModelProto, samples: Samples, accepted: Accepted) -> Half:
    exact, large = [], set[str]()
    for number, values in enumerate(Watched(model, None).run(samples)):
        large.update(name for name, value in values.items() if is_beyond(value))
        if number < _MEASURED:
            exact.append(values)
    samples = samples[: len(exact)]
    kept = {node.output[0] for node in model.graph.node if large & {*node.input, *node.output}}
    found: Half | None = None
    for least, rounds in LEAST_DB:
        for _ in range(rounds):
            layers = _measure(model, kept, exact, samples)
            losing = _losing(model, layers, kept, least)
            if not losing:
                break
            kept |= losing
        halved = tuple(layer for name, layer in layers.items() if name not in kept)
        if not halved:
            break
        found = Half(Float16Writer(model, kept).model, _in_order(model, kept), halved)
        if accepted(found.model):
            return found
    if found is None:
        raise NothingToQuantizeError("no value in float32 that float16 can take the place of")
    values_too = _with_more_in_float(model, kept, lambda names: Float16Writer(model, names).model, accepted)
    weights_alone = _with_more_in_float(
        model, set(), lambda names: weights_in_half(model, names, FLOAT16, inner=False), accepted
    )
    return _smaller(values_too, weights_alone) or found


def _with_more_in_float(
    model: onnx.ModelProto, kept: set[str], written: Callable[[set[str]], onnx.ModelProto], accepted: Accepted
) -> Half | None:
    """The smallest accepted model of which a first or last part stays in float32 beside `kept`; None where none is.

    Errors that are made first go through most of the model, and first layers have few weights; what a Sigmoid or
    Softmax reads at the end may be near zero in all samples.
    """
    order = [node.output[0] for node in model.graph.node]
    first = _with_first_in_float(model, order, kept, written, accepted)
    return _smaller(first, _with_first_in_float(model, order[::-1], kept, written, accepted))


def _smaller(one: Half | None, other: Half | None) -> Half | None:
    given = [each for each in (one, other) if each is not None]
    return min(given, key=lambda each: each.model.ByteSize(), default=None)


def _with_first_in_float(
    model: onnx.ModelProto,
    order: Sequence[str],
    kept: set[str],
    written: Callable[[set[str]], onnx.ModelProto],
    accepted: Accepted,
) -> Half | None:
    """The model in which as few of the first nodes of an order stay in float32 as it takes; None where all have to."""
    found: Half | None = None
    refused, enough = 0, len(order)
    while enough - refused > max(1, len(order) * _STEP):
        middle = (refused + enough) // 2
        names = kept.union(order[:middle])
        tried = written(names)
        if accepted(tried):
            enough, found = middle, Half(tried, _in_order(model, names), ())
        else:
            refused = middle
    return found if found is not None and found.model.ByteSize() < _WORTH * model.ByteSize() else None


def _in_bfloat16(model: onnx.ModelProto, samples: Samples, accepted: Accepted) -> Half:
    opset = required_opset(model)
    if opset < OLDEST_OF_BFLOAT16:
        raise QuantizeError(f"opset {opset}, expected {OLDEST_OF_BFLOAT16} or later, where Cast takes bfloat16")
    kept: set[str] = set()
    result = weights_in_half(model, kept, BFLOAT16)
    if not _holds_bfloat16(result):
        raise QuantizeError("no weights in float32")
    if accepted(result):
        return Half(result, (), ())
    samples = samples[:_MEASURED]
    exact = list(Watched(model, None).run(samples))
    same = {name: name for name in exact[0]}
    for least, _ in LEAST_DB:
        kept |= _losing(model, _layers(model, same, exact, Watched(result, same).run(samples)), kept, least)
        result = weights_in_half(model, kept, BFLOAT16)
        if accepted(result):
            return Half(result, _in_order(model, kept), ())
    nearer = _with_more_in_float(model, kept, lambda names: weights_in_half(model, names, BFLOAT16), accepted)
    return nearer or Half(result, _in_order(model, kept), ())


def _holds_bfloat16(model: onnx.ModelProto) -> bool:
    return any(tensor.data_type == TensorProto.BFLOAT16 for graph in all_graphs(model) for tensor in graph.initializer)


def _in_order(model: onnx.ModelProto, kept: set[str]) -> tuple[str, ...]:
    return tuple(name for node in model.graph.node for name in node.output if name in kept)


def _without_overridable_initializers(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose initializers are no inputs, as they are before IR version 4."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    initializers = {tensor.name for tensor in result.graph.initializer}
    inputs = [value for value in result.graph.input if value.name not in initializers]
    del result.graph.input[:]
    result.graph.input.extend(inputs)
    result.ir_version = max(result.ir_version, 4)
    return result


def _losing(model: onnx.ModelProto, layers: Mapping[str, Layer], kept: set[str], least: float) -> set[str]:
    """First outputs of more nodes to keep: of those whose values have fewer decibels, and those that they read do not.

    Where such a node is kept already, it loses by what was rounded before it: the nodes that made that are taken.
    """
    bad = {name for name, layer in layers.items() if layer.snr_db is not None and layer.snr_db < least}
    makers = {name: node for node in model.graph.node for name in node.output}
    found: set[str] = set()
    for node in model.graph.node:
        if not bad & set(node.output) or bad & set(node.input):
            continue
        open_nodes, seen = [node], set()
        while open_nodes:
            each = open_nodes.pop()
            if each.output[0] not in kept:
                found.add(each.output[0])
            elif each.output[0] not in seen:
                seen.add(each.output[0])
                open_nodes.extend(makers[name] for name in each.input if name in makers)
    return found


def _measure(
    model: onnx.ModelProto, kept: set[str], exact: list[dict[str, Array]], samples: Samples
) -> dict[str, Layer]:
    """What became of each value in float16, and of those that kept nodes make, by its name."""
    emulated = Float16Writer(model, kept, emulated=True)
    made = {name: half for name, half in (emulated.made | {each: each for each in kept}).items() if name in exact[0]}
    return _layers(model, made, exact, Watched(emulated.model, made.values()).run(samples))


def _layers(
    model: onnx.ModelProto,
    made: Mapping[str, str],
    exact: list[dict[str, Array]],
    runs: Iterable[Mapping[str, Array]],
) -> dict[str, Layer]:
    """Hold values against the exact ones.

    Args:
        model: the float32 model.
        made: name of a value -> its name in the other model.
        exact: the values of each sample.
        runs: those of the other model.
    """
    op_types = {name: node.op_type for node in model.graph.node for name in node.output}
    figures = {name: np.array([0.0, 0.0, np.inf, -np.inf]) for name in made if name in op_types}
    for wanted, found in zip(exact, runs, strict=True):
        for name, seen in figures.items():
            half = made[name]
            if wanted[name].shape != found[half].shape:
                # how many values there are depends on other values, as after a NonMaxSuppression
                continue
            value, near = wanted[name], found[half]
            signal, noise, low, high = seen
            if not (np.isfinite(np.sum(value)) and np.isfinite(np.sum(near))):
                # a mask of -inf stays what it is
                usual = np.isfinite(value)
                value, near = value[usual], np.nan_to_num(near[usual], nan=LARGEST, posinf=LARGEST, neginf=-LARGEST)
            seen[:] = (
                signal + np.sum(np.square(value, dtype=np.float64)),
                noise + np.sum(np.square(np.subtract(near, value, dtype=np.float64))),
                min(low, value.min(initial=np.inf)),
                max(high, value.max(initial=-np.inf)),
            )
    return {
        name: Layer(name, op_types[name], signal_to_noise(signal, noise), _figure(low), _figure(high), 0.0)
        for name, (signal, noise, low, high) in figures.items()
        if low <= high
    }


def _figure(value: float) -> float:
    """Four digits; what JSON cannot state becomes the largest number of float32."""
    return float(f"{np.clip(value, -float(np.finfo(np.float32).max), float(np.finfo(np.float32).max)):.4g}")
