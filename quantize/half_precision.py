"""Float32 models in half precision: values and weights in float16, or weights alone in bfloat16."""

from collections.abc import Callable, Iterable, Mapping
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
from zoosmith.quantize.writing.bfloat16_writer import weights_in_bfloat16
from zoosmith.quantize.writing.float16_writer import LARGEST, Float16Writer, is_beyond

FLOAT16, BFLOAT16 = "float16", "bfloat16"

# Decibels that a value must keep over the error of half precision: 1 % of its root mean square. Where the model as a
# whole is not accepted, more are asked of every value.
LEAST_DB = (40.0, 50.0, 60.0, 70.0)
# the first opset whose Cast takes bfloat16
OLDEST_OF_BFLOAT16 = 13

# rounds of keeping what loses too much, at each limit; each round finds at least one layer more
_ROUNDS = 5
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
    float32; more stay where the model is not accepted. A graph inside of a node is a model of its own, with samples of
    what it reads. In `bfloat16`, weights are kept in it and cast to float32 when the model is loaded, since ONNX
    Runtime has no operators of bfloat16 on processors; its range is that of float32.

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
    exact = list(Watched(model, None).run(samples))
    large = {name for values in exact for name, value in values.items() if is_beyond(value)}
    kept = {node.output[0] for node in model.graph.node if large & {*node.input, *node.output}}
    found: Half | None = None
    for least in LEAST_DB:
        for _ in range(_ROUNDS):
            layers = _measure(model, kept, exact, samples)
            losing = _losing(model, layers, kept, least)
            if not losing:
                break
            kept |= losing
        halved = tuple(layer for name, layer in layers.items() if name not in kept)
        if not halved:
            break
        order = [name for node in model.graph.node for name in node.output if name in kept]
        found = Half(Float16Writer(model, kept).model, tuple(order), halved)
        if accepted(found.model):
            break
    if found is None:
        raise NothingToQuantizeError("no value in float32 that float16 can take the place of")
    return found


def _in_bfloat16(model: onnx.ModelProto, samples: Samples, accepted: Accepted) -> Half:
    opset = required_opset(model)
    if opset < OLDEST_OF_BFLOAT16:
        raise QuantizeError(f"opset {opset}, expected {OLDEST_OF_BFLOAT16} or later, where Cast takes bfloat16")
    kept: set[str] = set()
    result = weights_in_bfloat16(model, kept)
    if not any(
        tensor.data_type == TensorProto.BFLOAT16 for graph in all_graphs(result) for tensor in graph.initializer
    ):
        raise QuantizeError("no weights in float32")
    if not accepted(result):
        exact = list(Watched(model, None).run(samples))
        same = {name: name for name in exact[0]}
        for least in LEAST_DB:
            layers = _layers(model, same, exact, Watched(result, same).run(samples))
            kept |= _losing(model, layers, kept, least)
            result = weights_in_bfloat16(model, kept)
            if accepted(result):
                break
    order = [name for node in model.graph.node for name in node.output if name in kept]
    return Half(result, tuple(order), ())


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
            # a mask of -inf stays what it is
            usual = np.isfinite(wanted[name])
            value, near = wanted[name][usual].astype(np.float64), found[half][usual].astype(np.float64)
            signal, noise, low, high = seen
            seen[:] = (
                signal + np.sum(value**2),
                noise + np.sum(np.nan_to_num(near - value, nan=LARGEST, posinf=LARGEST, neginf=LARGEST) ** 2),
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
