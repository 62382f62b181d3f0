"""Float32 models in half precision: values and weights in float16, or weights alone in bfloat16."""

from collections.abc import Mapping
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.ir_versions import lowered_ir
from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.opsets import required_opset
from zoosmith.optimize import OptimizeError
from zoosmith.optimize.validity import valid
from zoosmith.quantize.calibration import Samples, Watched
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.layer import Layer
from zoosmith.quantize.layers import MEASURED, signal_to_noise
from zoosmith.quantize.quantizer import refuse_quantized
from zoosmith.quantize.writing.float16_writer import LARGEST, Float16Writer, constants_of, is_beyond

FLOAT16, BFLOAT16 = "float16", "bfloat16"

# decibels that a value must keep over the error of half precision: 1 % of its root mean square
LEAST_DB = 40.0
# the first opset whose Cast takes bfloat16
OLDEST_OF_BFLOAT16 = 13

# rounds of keeping what loses too much; each finds at least one layer more
_ROUNDS = 12


@dataclass(frozen=True)
class Half:
    """A model in half precision.

    Attributes:
        model: inputs and outputs have the types of the original.
        kept: the values that nodes still make in float32 because they would lose too much.
        layers: what became of the values in float16; empty for bfloat16, whose values stay in float32.
    """

    model: onnx.ModelProto
    kept: tuple[str, ...]
    layers: tuple[Layer, ...]


def to_half(model: onnx.ModelProto, samples: Samples, kind: str) -> Half:
    """Halve the size of a model.

    In `float16`, nodes compute in float16 where their operator allows it, between Casts. Nodes whose values on the
    samples are beyond its range, or keep less than 40 dB over their error while their inputs keep that, stay in
    float32. In `bfloat16`, weights are kept in it and cast to float32 when the model is loaded, since ONNX Runtime has
    no operators of bfloat16 on processors; its range is that of float32.

    Args:
        model: float32; it is left as it was.
        samples: the model's inputs by name; the first ones are run.
        kind: `float16` or `bfloat16`.

    Raises:
        QuantizeError: the model is not valid, holds no float32 values, or is of an opset that does not know bfloat16.
        ValidationError: a sample does not fit the model.
    """
    refuse_quantized(model)
    try:
        model = _without_overridable_initializers(valid(model))
    except OptimizeError as error:
        raise QuantizeError(str(error)) from error
    if kind == BFLOAT16:
        return Half(_with_lowered_ir(_weights_in_bfloat16(model)), (), ())
    exact = list(Watched(model, None).run(samples[:MEASURED]))
    large = {name for values in exact for name, value in values.items() if is_beyond(value)}
    kept = {node.output[0] for node in model.graph.node if large & {*node.input, *node.output}}
    for _ in range(_ROUNDS):
        layers = _measure(model, kept, exact, samples[:MEASURED])
        losing = _losing(model, layers)
        if not losing:
            break
        kept |= losing
    if not layers:
        raise QuantizeError("no value in float32 that float16 can take the place of")
    order = [name for node in model.graph.node for name in node.output if name in kept]
    return Half(_with_lowered_ir(Float16Writer(model, kept).model), tuple(order), tuple(layers.values()))


def _with_lowered_ir(model: onnx.ModelProto) -> onnx.ModelProto:
    model.ir_version = lowered_ir(model)
    return model


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


def _losing(model: onnx.ModelProto, layers: Mapping[str, Layer]) -> set[str]:
    """First outputs of the nodes whose values lose too much, while those that they read do not."""
    bad = {name for name, layer in layers.items() if layer.snr_db is not None and layer.snr_db < LEAST_DB}
    return {node.output[0] for node in model.graph.node if bad & set(node.output) and not bad & set(node.input)}


def _measure(
    model: onnx.ModelProto, kept: set[str], exact: list[dict[str, Array]], samples: Samples
) -> dict[str, Layer]:
    """What became of each value in float16, by its name."""
    emulated = Float16Writer(model, kept, emulated=True)
    made = {name: half for name, half in emulated.made.items() if name in exact[0]}
    op_types = {name: node.op_type for node in model.graph.node for name in node.output}
    figures = {name: np.array([0.0, 0.0, np.inf, -np.inf]) for name in made}
    for wanted, found in zip(exact, Watched(emulated.model, made.values()).run(samples), strict=True):
        for name, half in made.items():
            if wanted[name].shape != found[half].shape:
                # how many values there are depends on other values, as after a NonMaxSuppression
                continue
            # a mask of -inf stays what it is
            usual = np.isfinite(wanted[name])
            value, near = wanted[name][usual].astype(np.float64), found[half][usual].astype(np.float64)
            signal, noise, low, high = figures[name]
            figures[name][:] = (
                signal + np.sum(value**2),
                noise + np.sum(np.nan_to_num(near - value, nan=LARGEST) ** 2),
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


def _weights_in_bfloat16(model: onnx.ModelProto) -> onnx.ModelProto:
    opset = required_opset(model)
    if opset < OLDEST_OF_BFLOAT16:
        raise QuantizeError(f"opset {opset}, expected {OLDEST_OF_BFLOAT16} or later, where Cast takes bfloat16")
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    names = Names(model)
    weights = {
        name: value for name, value in constants_of(graph).items() if value.dtype == np.float32 and value.size > 1
    }
    if not weights:
        raise QuantizeError("no weights in float32")
    casts, tensors = [], []
    for name, value in weights.items():
        half = names.fresh(f"{name}_bfloat16")
        tensors.append(
            helper.make_tensor(
                half, TensorProto.BFLOAT16, value.shape, value.astype(ml_dtypes.bfloat16).tobytes(), raw=True
            )
        )
        casts.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
    nodes = [node for node in graph.node if not set(node.output) & set(weights)]
    left = [tensor for tensor in graph.initializer if tensor.name not in weights]
    del graph.node[:], graph.initializer[:]
    graph.node.extend([*casts, *nodes])
    graph.initializer.extend([*left, *tensors])
    return result
