"""What operators cost in float and in integers, and conversions between: measured once, by benchmarks/int8_costs.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import onnx_ir as ir

from zoosmith.onnx_model.operator_families import ARITHMETIC
from zoosmith.optimize.values import attribute, input_constant, name_of
from zoosmith.quantize.plan.partition import Step
from zoosmith.quantize.plan.thresholds import cuts_of

# output channels that kernels work on together
_BLOCK = 16
# input channels that integer kernels read together
_FEW = 4
# rows of a matrix that float kernels have little to share for
_FEW_ROWS = 2


@dataclass(frozen=True)
class Cost:
    """What one call takes: `call` in microseconds, `value` in nanoseconds for each value, `product` for each product.

    Values are those that are read or made, whichever are more; products those of a convolution or matrix product.
    """

    call: float
    value: float
    product: float = 0.0

    def microseconds(self, values: int, products: int) -> float:
        """The time of a call."""
        return self.call + (self.value * values + self.product * products) / 1000


# kind -> cost in float, cost in integers; of ONNX Runtime 1.32, one thread, AVX-512 with VNNI
COSTS: dict[str, tuple[Cost, Cost]] = {
    "Conv": (Cost(8.17, 0.0155, 0.00848), Cost(5.86, 0.217, 0.00181)),
    "1 x 1 Conv": (Cost(4.75, 0.0278, 0.0072), Cost(5.7, 0.0199, 0.00172)),
    "Conv of pictures": (Cost(7.67, 0.108, 0.00473), Cost(3.03, 0.724)),
    "depthwise Conv": (Cost(4.4, 0.0554, 0.00887), Cost(2.32, 0.0844, 0.0158)),
    "odd depthwise Conv": (Cost(2.51, 0.044, 0.0108), Cost(3.4, 0.212, 0.0463)),
    "Conv of sequences": (Cost(2.73, 0, 0.0105), Cost(0.954, 0, 0.00234)),
    "Conv of signals": (Cost(4.43, 0.0345, 0.00814), Cost(3.74, 0.242, 0.00231)),
    "row": (Cost(1.66, 0, 0.0403), Cost(2.03, 1.74, 0.0116)),
    "product": (Cost(0.43, 0, 0.00884), Cost(2.27, 0.117, 0.00225)),
    "product of few rows": (Cost(0.378, 0, 0.0352), Cost(1.29, 0, 0.0119)),
    "HardSigmoid": (Cost(0, 0.0335), Cost(1.84, 0.0148)),
    "Sigmoid": (Cost(0, 0.0405), Cost(2.62, 0.229)),
    "Mul of two": (Cost(0.736, 0.128), Cost(2.21, 0.183)),
    "Add of two": (Cost(0.193, 0.057), Cost(2.58, 0.0849)),
    "Relu": (Cost(1.09, 0.0964), Cost(3.7, 0.0912)),
    "LeakyRelu": (Cost(0.195, 0.171), Cost(1.35, 0.239)),
    "affine": (Cost(1.18, 0.0752), Cost(2.12, 0.115)),
    "threshold": (Cost(1.43, 0.0733), Cost(2.14, 0.018)),
    "MaxPool": (Cost(1.36, 0.0657), Cost(2.11, 0.186)),
    "AveragePool": (Cost(0, 0.0461), Cost(2.39, 0.129)),
    "padded AveragePool": (Cost(1.05, 0.102), Cost(4.13, 4.05)),
    "GlobalAveragePool": (Cost(7.62, 0.159), Cost(1.97, 0.0783)),
    "Concat": (Cost(0.784, 0.0621), Cost(2.09, 0.024)),
    "view": (Cost(1.75, 0.0676), Cost(1.84, 0.0149)),
    "move": (Cost(5.25, 0.249), Cost(3.22, 0.0995)),
}

# the same where what is read comes from the other side: HardSigmoid is no part of a float convolution then, and MaxPool
# gets its input in a layout that its integer kernel is slow for
AT_BORDERS: dict[str, tuple[Cost, Cost]] = {
    "HardSigmoid": (Cost(1.22, 0.0895), Cost(1.84, 0.0148)),
    "MaxPool": (Cost(1.36, 0.0657), Cost(1.64, 9.9)),
}

# to integers and back to float: of images and of maps of one position, which change their layout as well, and of others
BORDERS: dict[str, tuple[Cost, Cost]] = {
    "image": (Cost(4.31, 0.147), Cost(4.28, 0.174)),
    "position": (Cost(1.16, 3.51), Cost(1.16, 3.51)),
    "other": (Cost(0.141, 0.0801), Cost(0.141, 0.0801)),
}


def step_cost(step: Step, shapes: Mapping[str, tuple[int, ...]], *, thresholds: bool = False) -> tuple[float, float]:
    """Microseconds that a step takes in float and in integers, where it reads values of its own side.

    Args:
        step: one with an integer form.
        shapes: of the float tensors, by name.
        thresholds: whether the target may cut uint8 values off by a Max.
    """
    source, output = shapes[name_of(step.sources[0])], shapes[name_of(step.output)]
    real, integer = COSTS[kind_of(step, source, output)]
    if thresholds and (cuts := cuts_of(step)):
        _, each = COSTS["threshold"]
        integer = Cost(cuts * each.call, cuts * each.value)
    return _microseconds((real, integer), step, shapes)


def conversion_excess(step: Step, shapes: Mapping[str, tuple[int, ...]]) -> tuple[float, float]:
    """Microseconds that a step takes more in float and in integers, where it reads values of the other side."""
    if step.node.op_type not in AT_BORDERS:
        return 0.0, 0.0
    usual, there = step_cost(step, shapes), _microseconds(AT_BORDERS[step.node.op_type], step, shapes)
    return max(there[0] - usual[0], 0.0), max(there[1] - usual[1], 0.0)


def _microseconds(costs: tuple[Cost, Cost], step: Step, shapes: Mapping[str, tuple[int, ...]]) -> tuple[float, float]:
    source, output = shapes[name_of(step.sources[0])], shapes[name_of(step.output)]
    values, products = max(prod(source), prod(output)), _products(step.node, output)
    real, integer = costs
    return real.microseconds(values, products), integer.microseconds(values, products)


def conversion_cost(shape: tuple[int, ...]) -> tuple[float, float]:
    """Microseconds that it takes to quantize a float tensor, and to dequantize it."""
    kind = "other" if len(shape) != 4 else "position" if prod(shape[2:]) == 1 else "image"
    to_integer, to_float = BORDERS[kind]
    return to_integer.microseconds(prod(shape), 0), to_float.microseconds(prod(shape), 0)


def kind_of(step: Step, source: tuple[int, ...], output: tuple[int, ...]) -> str:
    """The key of COSTS for a step that reads and makes tensors of these shapes."""
    node = step.node
    if node.op_type in ("Gemm", "MatMul"):
        if not step.form or not step.form.gives_float:
            return "row"
        return "product" if prod(output[:-1]) > _FEW_ROWS else "product of few rows"
    if node.op_type == "Conv":
        return _kind_of_convolution(node, source, output)
    if node.op_type in ("BatchNormalization", *ARITHMETIC):
        both = node.op_type in ("Add", "Mul") and all(input_constant(node, index) is None for index in (0, 1))
        return f"{node.op_type} of two" if both else "affine"
    if node.op_type == "AveragePool" and any(attribute(node, "pads", ())):
        return "padded AveragePool"
    if node.op_type in COSTS:
        return node.op_type
    return "move" if node.op_type == "Transpose" and len(source) == 4 else "view"


def _kind_of_convolution(node: ir.Node, source: tuple[int, ...], output: tuple[int, ...]) -> str:
    kernel, group = attribute(node, "kernel_shape", ()), attribute(node, "group", 1)
    if prod(output[2:]) == 1 and prod(source[2:]) == 1:
        return "row"
    if len(output) == 3:
        return "Conv of sequences"
    if group > 1 and group == source[1]:
        return "depthwise Conv" if group % _BLOCK == 0 and group > _BLOCK else "odd depthwise Conv"
    if source[1] < _FEW:
        return "Conv of signals" if source[2] == 1 else "Conv of pictures"
    return "1 x 1 Conv" if prod(kernel) == 1 else "Conv"


def _products(node: ir.Node, output: tuple[int, ...]) -> int:
    weights = input_constant(node, 1)
    if node.op_type in ("Gemm", "MatMul") and weights is not None:
        return prod(output[:-1]) * weights.size
    if node.op_type != "Conv" or weights is None:
        return 0
    outputs, each = len(weights), weights[0].size
    if attribute(node, "group", 1) == 1:
        outputs = -(-outputs // _BLOCK) * _BLOCK
    return output[0] * prod(output[2:]) * outputs * each
