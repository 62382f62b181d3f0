"""The least time of a net in ONNX Runtime: each layer in the fastest of all forms that exist, conversions for nothing.

python benchmarks/int8_bound.py [--rounds 60] [NAME | MODEL.onnx ...]

By default MobileNetV3 of int8_nets.py. Each layer with its activation stands in a net of its own, once in each form:
in float, as QLinearConv of the standard and of com.microsoft (NHWC from end to end, uint8 by int8, by uint8, int8 by
int8), as products of NHWC rows (QGemm, QLinearMatMul, MatMulIntegerToFloat, DynamicQuantizeMatMul, MatMulNBits of 8 and
4 bits with int8 activations), pooled and multiplied in both layouts, in float16 and as NhwcFusedConv. A form's time is
that of its kernels, the least of all rounds, with caches that are warm; what brings values from one layout or type to
another counts nothing. So no file can be faster than the sum of the fastest forms. A form that ONNX Runtime does not
load or run says so once.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import onnx
from int8_costs import kernel_times
from int8_nets import NETS, Net
from onnx import TensorProto, helper

from zoosmith.onnx_model.errors import first_line
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.opset_upgrade import convert_version
from zoosmith.optimize import to_proto
from zoosmith.optimize.values import attribute, input_constant, is_standard, name_of
from zoosmith.quantize.plan.partition import Step, units
from zoosmith.quantize.plan.planning import tensor_shapes
from zoosmith.quantize.quantizer import prepare
from zoosmith.quantize.samples.reading import random_samples

CONTRIB = "com.microsoft"
# kernels that change the type or the layout of values and compute nothing
BORDERS = ("QuantizeLinear", "DequantizeLinear", "Transpose", "ReorderInput", "ReorderOutput")


@dataclass(frozen=True)
class Layer:
    """A layer, as all that the time of its forms depends on.

    Attributes:
        op_type: Conv, Mul, Add, GlobalAveragePool or Gemm.
        source: shape of what it reads, without the batch.
        output: shape of what it makes.
        kernel, stride, group: of a Conv.
        activation: Relu, HardSigmoid or HardSwish; empty for none.
    """

    op_type: str
    source: tuple[int, ...]
    output: tuple[int, ...]
    kernel: int = 1
    stride: int = 1
    group: int = 1
    activation: str = ""

    @property
    def is_product(self) -> bool:
        return self.op_type == "Gemm" or (self.op_type == "Conv" and self.kernel == self.stride == self.group == 1)

    @property
    def positions(self) -> int:
        return prod(self.output[1:])

    def __str__(self) -> str:
        sizes = " -> ".join(" x ".join(map(str, shape)) for shape in (self.source, self.output))
        kind = (
            f"{'depthwise ' if self.group > 1 else ''}{self.kernel} x {self.kernel}" if self.op_type == "Conv" else ""
        )
        return " ".join(filter(None, (self.op_type, kind, sizes, self.activation)))


def layers_of(model: onnx.ModelProto) -> Counter[Layer]:
    """The layers of a net as it is quantized, and how often each stands in it."""
    prepared = prepare(model)
    shapes = tensor_shapes(prepared, to_proto(prepared), random_samples(model, 1))
    result: Counter[Layer] = Counter()
    joined = set()
    for step in units(prepared):
        if step.node in joined or step.form is None or any(name_of(value) not in shapes for value in step.sources):
            continue
        source, output = (shapes[name_of(value)][1:] for value in (step.sources[0], step.output))
        activation, nodes = activation_of(step)
        joined.update(nodes)
        if step.node.op_type == "Conv":
            weights, [stride, *_] = input_constant(step.node, 1), attribute(step.node, "strides", (1, 1))
            assert weights is not None
            group = attribute(step.node, "group", 1)
            result[Layer("Conv", source, output, weights.shape[2], stride, group, activation)] += 1
        elif step.node.op_type in ("Mul", "Add", "GlobalAveragePool", "Gemm", "HardSigmoid"):
            result[Layer(step.node.op_type, source, output, activation=activation)] += 1
    return result


def activation_of(step: Step) -> tuple[str, list[object]]:
    """The activation behind a step, and the nodes that it takes."""
    readers = [use.node for use in step.output.uses()]
    gates = [node for node in readers if is_standard(node, "HardSigmoid")]
    products = [node for node in readers if is_standard(node, "Mul")]
    if step.node.op_type != "HardSigmoid" and gates:
        if products and gates[0].outputs[0] in products[0].inputs:
            return "HardSwish", [gates[0], products[0]]
        return "HardSigmoid", [gates[0]]
    return ("Relu", []) if step.lowest == 0 and step.node.op_type == "Conv" else ("", [])


class Form:
    """Builds a net of one layer.

    Args:
        shape: of the net's float input.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.net = Net("net", [*shape])
        self.x = "data"

    def constant(self, value: object, dtype: type) -> str:
        return self.net.constant(np.asarray(value), dtype)

    def add(self, op_type: str, *inputs: str, **attributes: object) -> "Form":
        self.x = self.net.add(op_type, *inputs, **attributes)
        return self

    def encoded(self, dtype: type = np.uint8, value: str | None = None) -> list[str]:
        """A value in 8 bits, its scale and zero point."""
        scale, zero_point = self.constant(0.02, np.float32), self.constant(0 if dtype is np.int8 else 128, dtype)
        return [self.net.add("QuantizeLinear", value or self.x, scale, zero_point), scale, zero_point]

    def activate(self, activation: str) -> "Form":
        """In float."""
        if activation == "HardSwish":
            gate = self.net.add("HardSigmoid", self.x, alpha=1 / 6)
            return self.add("Mul", self.x, gate)
        return self.add(activation, self.x) if activation else self

    def activate_encoded(self, activation: str, dtype: type, scale: str, zero_point: str) -> "Form":
        """In integers: a HardSigmoid is a Clip; a Relu costs nothing."""
        if activation in ("HardSigmoid", "HardSwish"):
            source, ends = self.x, [self.constant(end, dtype) for end in (20, 100)]
            self.add("Clip", source, *ends)
            if activation == "HardSwish":
                read = (source, scale, zero_point, self.x, scale, zero_point, scale, zero_point)
                self.add("QLinearMul", *read, domain=CONTRIB)
        return self

    def model(self) -> onnx.ModelProto:
        outputs = [onnx.ValueInfoProto(name=self.x)]
        graph = helper.make_graph(self.net.nodes, "net", [self.net.input], outputs, self.net.initializers)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def in_float(layer: Layer) -> Form:
    form = Form((1, *layer.source))
    if layer.op_type == "Conv":
        weights = form.net.normal(layer.output[0], layer.source[0] // layer.group, layer.kernel, layer.kernel)
        inputs = [form.x, weights, form.net.normal(layer.output[0])]
        return convolve(form, "Conv", inputs, layer).activate(layer.activation)
    if layer.op_type == "Gemm":
        return form.add(
            "Gemm", form.x, form.net.normal(layer.source[0], layer.output[0]), form.net.normal(layer.output[0])
        )
    if layer.op_type == "GlobalAveragePool":
        return form.add("GlobalAveragePool", form.x)
    if layer.op_type == "HardSigmoid":
        return form.add("HardSigmoid", form.x, alpha=1 / 6)
    other = form.net.normal(*([1, layer.source[0], 1, 1] if layer.op_type == "Mul" else [1, *layer.source]))
    return form.add(layer.op_type, form.net.add("Abs", form.x), other)


def convolve(
    form: Form, op_type: str, inputs: list[str], layer: Layer, kernel: tuple[int, int] | None = None, **others: object
) -> Form:
    height, width = kernel or (layer.kernel, layer.kernel)
    pads = [height // 2, width // 2, (height - 1) // 2, (width - 1) // 2]
    attributes = {"kernel_shape": [height, width], "strides": [layer.stride] * 2, "pads": pads, "group": layer.group}
    return form.add(op_type, *inputs, **attributes, **others)


def in_integers(
    layer: Layer, read: type = np.uint8, weights: type = np.int8, nhwc: bool = False, halves: bool = False
) -> Form:
    """QLinearConv and its activation, of the standard or channels_last of com.microsoft."""
    channels, *sides = layer.source
    form = Form((1, *sides, channels) if nhwc else (1, *layer.source))
    source, scale, zero_point = form.encoded(read)
    others = {"domain": CONTRIB, "channels_last": 1} if nhwc else {}

    def convolution(height: int, width: int) -> str:
        shape = (layer.output[0], channels // layer.group, height, width)
        low, high = (-60, 60) if weights is np.int8 else (68, 188)
        packed = [
            form.constant(form.net.stream.randint(low, high, shape), weights),
            form.constant(np.full(shape[0], 0.001), np.float32),
            form.constant(np.full(shape[0], 0 if weights is np.int8 else 128), weights),
        ]
        bias = form.constant(np.zeros(shape[0]), np.int32)
        inputs = [source, scale, zero_point, *packed, scale, zero_point, bias]
        return convolve(form, "QLinearConv", inputs, layer, (height, width), **others).x

    if halves:
        half = layer.kernel // 2
        parts = [convolution(layer.kernel, half + 1), convolution(layer.kernel, half)]
        both = (each for part in parts for each in (part, scale, zero_point))
        form.add("QLinearAdd", *both, scale, zero_point, domain=CONTRIB)
    else:
        convolution(layer.kernel, layer.kernel)
    return form.activate_encoded(layer.activation, read, scale, zero_point)


def as_product(layer: Layer, op_type: str, bits: int = 8) -> Form:
    """A 1 x 1 convolution or Gemm as the product of NHWC rows."""
    inputs, outputs = layer.source[0], layer.output[0]
    form = Form((layer.positions, inputs))
    if op_type == "MatMul":
        return form.add("MatMul", form.x, form.net.normal(inputs, outputs)).activate(layer.activation)
    if op_type == "MatMulNBits":
        block = 32
        count = -(-inputs // block)
        weights = form.constant(form.net.stream.randint(0, 256, (outputs, count, block * bits // 8)), np.uint8)
        scales = form.constant(np.full((outputs, count), 0.001), np.float32)
        sizes = {"K": inputs, "N": outputs, "bits": bits, "block_size": block, "accuracy_level": 4}
        return form.add(op_type, form.x, weights, scales, domain=CONTRIB, **sizes).activate(layer.activation)
    weights = form.constant(form.net.stream.randint(-60, 60, (inputs, outputs)), np.int8)
    columns, bias = form.constant(np.full(outputs, 0.001), np.float32), form.net.normal(outputs)
    if op_type == "DynamicQuantizeMatMul":
        return form.add(op_type, form.x, weights, columns, "", bias, domain=CONTRIB).activate(layer.activation)
    source, scale, zero_point = form.encoded()
    if op_type == "MatMulIntegerToFloat":
        one = form.constant(1, np.float32)
        form.add(op_type, source, weights, one, columns, zero_point, "", bias, domain=CONTRIB)
        return form.activate(layer.activation)
    packed = [weights, columns, form.constant(np.zeros(outputs), np.int8)]
    bias = [form.constant(np.zeros(outputs), np.int32)] if op_type == "QGemm" else []
    domain = {"domain": CONTRIB} if op_type == "QGemm" else {}
    form.add(op_type, source, scale, zero_point, *packed, *bias, scale, zero_point, **domain)
    return form.activate_encoded(layer.activation, np.uint8, scale, zero_point)


def elementwise(layer: Layer, nhwc: bool) -> Form:
    """The QLinear operator of com.microsoft for a pooling, a gate's Mul, a residual's Add or a HardSigmoid."""
    channels, *sides = layer.source
    form = Form((1, *sides, channels) if nhwc else (1, *layer.source))
    source, scale, zero_point = form.encoded()
    if layer.op_type == "GlobalAveragePool":
        inputs = (source, scale, zero_point, scale, zero_point)
        return form.add("QLinearGlobalAveragePool", *inputs, domain=CONTRIB, channels_last=int(nhwc))
    if layer.op_type == "HardSigmoid":
        form.x = source
        return form.activate_encoded("HardSigmoid", np.uint8, scale, zero_point)
    shape = (1, *sides, channels) if nhwc else (1, *layer.source)
    if layer.op_type == "Mul":
        shape = (1, *[1] * len(sides), channels) if nhwc else (1, channels, *[1] * len(sides))
    other = form.constant(form.net.stream.randint(0, 256, shape), np.uint8)
    inputs = (source, scale, zero_point, other, scale, zero_point, scale, zero_point)
    return form.add(f"QLinear{layer.op_type}", *inputs, domain=CONTRIB)


def in_float16(layer: Layer, op_type: str) -> Form:
    form = Form((1, *layer.source))
    form.add("Cast", form.x, to=TensorProto.FLOAT16)
    shape = (layer.output[0], layer.source[0] // layer.group, layer.kernel, layer.kernel)
    weights = form.constant(form.net.stream.randn(*shape), np.float16)
    domain = {} if op_type == "Conv" else {"domain": CONTRIB}
    convolve(form, op_type, [form.x, weights], layer, **domain)
    return form.activate(layer.activation).add("Cast", form.x, to=TensorProto.FLOAT)


def forms_of(layer: Layer) -> dict[str, Callable[[], Form]]:
    forms: dict[str, Callable[[], Form]] = {"float": lambda: in_float(layer)}
    if layer.op_type == "Conv":
        forms |= {
            "QLinearConv": lambda: in_integers(layer),
            "NHWC u8s8": lambda: in_integers(layer, nhwc=True),
            "NHWC u8u8": lambda: in_integers(layer, weights=np.uint8, nhwc=True),
            "NHWC s8s8": lambda: in_integers(layer, read=np.int8, nhwc=True),
            "float16 Conv": lambda: in_float16(layer, "Conv"),
            "float16 NhwcFusedConv": lambda: in_float16(layer, "NhwcFusedConv"),
        }
        if layer.group > 1 and layer.kernel == 5:
            forms["two kernels"] = lambda: in_integers(layer, nhwc=True, halves=True)
    if layer.is_product:
        for op_type in ("MatMul", "QGemm", "QLinearMatMul", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"):
            forms[op_type] = lambda op_type=op_type: as_product(layer, op_type)  # type: ignore[misc]
        for bits in (8, 4):
            forms[f"MatMulNBits {bits}"] = lambda bits=bits: as_product(layer, "MatMulNBits", bits)  # type: ignore[misc]
    elif layer.op_type != "Conv":
        forms |= {"QLinear NCHW": lambda: elementwise(layer, False), "QLinear NHWC": lambda: elementwise(layer, True)}
    return forms


def measured(form: Form, rounds: int) -> float:
    """Microseconds of the kernels that compute."""
    times = kernel_times(form.model(), rounds)
    return float(sum(time for kernel, time in times.items() if kernel not in (*BORDERS, "Abs")))


def bound(name: str, model: onnx.ModelProto, rounds: int) -> None:
    totals: Counter[str] = Counter()
    chosen: Counter[str] = Counter()
    refused: dict[str, str] = {}
    for layer, count in layers_of(model).items():
        times = {}
        for word, make in forms_of(layer).items():
            if word in refused:
                continue
            try:
                times[word] = measured(make(), rounds)
            except Exception as error:  # whatever ONNX Runtime raises
                refused[word] = first_line(error)
        fastest = min(times, key=times.__getitem__)
        # a residual's Add is part of a float convolution
        least = 0.0 if layer.op_type == "Add" else times[fastest]
        totals["float"] += count * (0.0 if layer.op_type == "Add" else times["float"])
        totals["least"] += count * least
        integer = [times[word] for word in times if word.startswith(("QLinear", "NHWC"))]
        totals["integer"] += count * min(integer, default=times["float"])
        chosen[fastest] += count
        print(f"{count} x {layer}: {', '.join(f'{word} {time:.0f}' for word, time in times.items())}", flush=True)
    words = (f"{word} {totals[word]:.0f} us, {totals['float'] / totals[word]:.2f} x" for word in ("integer", "least"))
    print(f"{name}: float {totals['float']:.0f} us; {'; '.join(words)}")
    print("fastest: " + ", ".join(f"{word} {count}" for word, count in chosen.most_common()))
    for word, reason in refused.items():
        print(f"no {word}: {reason}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["mobilenet_v3"])
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    for given in arguments.models:
        model = NETS[given]() if given in NETS else onnx.load(given)
        if (default_opset(model) or 0) < 13:
            model = convert_version(model, 13)
        bound(Path(given).stem, model, arguments.rounds)


if __name__ == "__main__":
    main()
