"""Operators on uint8 that change no number: HardSigmoid and affines of one scale.

`slope * x + shift`, where `x = scale * (q - zero_point)`, is `slope * scale * (q - other)`: the same numbers read with
another scale and zero point, so nothing is rounded. HardSigmoid cuts them off where it is 0 and 1; its zero, at
`x = -shift / slope`, has to lie on a step of `x`.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from zoosmith.optimize.channel_affine import read_affine
from zoosmith.optimize.values import attribute, is_standard
from zoosmith.quantize.calibration import Range
from zoosmith.quantize.writing.quantization_parameters import LEVELS, QuantizationParameters

# the opset from which on Clip reads uint8
UINT8_CLIP = 12
# steps between the gate's zero and that of its input: with fewer, a whole number of them would make steps much larger
_FEWEST = 16
# share of the lower bound from which on a range is extended to it
_NEAR = 0.75
# steps of the gate between 0 and 1
_FEWEST_OF_GATE = 2


def slope_and_shift(node: ir.Node) -> tuple[float, float]:
    """Of a HardSigmoid."""
    slope, shift = (float(np.float32(attribute(node, *named))) for named in (("alpha", 0.2), ("beta", 0.5)))
    return slope, shift


def needed_bounds(value: ir.Value, outputs: Iterable[ir.Value]) -> tuple[float, float]:
    """Outside of which bounds it does not matter how large a value is: of what only HardSigmoid or HardSwish reads.

    Args:
        value: a float value; HardSwish is `x * HardSigmoid(x)`.
        outputs: of the graph.
    """
    readers = [use.node for use in value.uses()]
    gates = {node.outputs[0]: node for node in readers if is_standard(node, "HardSigmoid")}
    products = [node for node in readers if is_standard(node, "Mul") and set(node.inputs) - {value} <= gates.keys()]
    squares = [node for node in products if set(node.inputs) == {value}]
    if not gates or squares or len(gates) + len(products) != len(readers) or value in outputs:
        return -np.inf, np.inf
    numbers = [slope_and_shift(node) for node in gates.values()]
    if any(slope <= 0 for slope, _ in numbers):
        return -np.inf, np.inf
    highest = np.inf if products else max((1 - shift) / slope for slope, shift in numbers)
    return min(-shift / slope for slope, shift in numbers), highest


def needed_range(value: ir.Value, outputs: Iterable[ir.Value], found: Range) -> Range:
    """The part of a range inside of `needed_bounds`, from the lower bound on where it begins near that."""
    lowest, highest = needed_bounds(value, outputs)
    low, high = np.clip(found.low, lowest, highest), np.clip(found.high, lowest, highest)
    if np.isfinite(lowest) and low.min() <= _NEAR * lowest:
        low = np.full_like(low, lowest)
    return replace(found, low=low, high=high)


def with_gate_on_step(node: ir.Node, parameters: QuantizationParameters) -> QuantizationParameters:
    """The parameters of what a HardSigmoid reads, with a scale so little larger that its zero lies on a step."""
    slope, shift = slope_and_shift(node)
    if len(parameters.scale) != 1 or slope <= 0 or shift <= 0:
        return parameters
    # a scale that was fitted stays as it is
    steps = int(np.floor(shift / slope / parameters.scale[0] + 1e-9))
    if steps < _FEWEST:
        return parameters
    return QuantizationParameters(np.array([shift / slope / steps]), parameters.zero_point)


def gate_parameters(node: ir.Node, parameters: QuantizationParameters) -> QuantizationParameters | None:
    """Those of a HardSigmoid whose numbers are what it reads; None where they would be too few, or less than 0.

    Where its zero lies on no step, it moves by up to half a step, as what it reads is rounded; 1 is exact.

    Args:
        node: the HardSigmoid.
        parameters: of what it reads.
    """
    slope, shift = slope_and_shift(node)
    if len(parameters.scale) != 1 or slope <= 0:
        return None
    steps = np.rint(1 / (slope * parameters.scale))
    zero_point = np.rint(parameters.zero_point - shift / slope / parameters.scale)
    if steps[0] < _FEWEST_OF_GATE or not 0 <= zero_point[0] <= LEVELS - _FEWEST_OF_GATE:
        return None
    return QuantizationParameters(1 / steps, zero_point)


def is_gate(node: ir.Node, source: QuantizationParameters, output: QuantizationParameters) -> bool:
    """Whether what a HardSigmoid makes has the numbers of what it reads."""
    found = gate_parameters(node, source)
    if found is None:
        return False
    return np.array_equal(found.scale, output.scale) and np.array_equal(found.zero_point, output.zero_point)


def affine_parameters(node: ir.Node, parameters: QuantizationParameters) -> QuantizationParameters | None:
    """Those of an affine of one positive scale and one shift whose numbers are what it reads; None for others.

    Its zero point may lie between two numbers: a convolution that reads it takes the difference into its bias, but for
    what it pads, which is off by up to half a step.
    """
    affine = read_affine(node)
    if affine is None or len(parameters.scale) != 1 or affine.scale[0] <= 0:
        return None
    if np.ptp(affine.scale) != 0 or np.ptp(affine.shift) != 0:
        return None
    scale = affine.scale[:1] * parameters.scale
    zero_point = parameters.zero_point - affine.shift[:1] / scale
    return QuantizationParameters(scale, zero_point) if 0 <= zero_point[0] <= LEVELS else None


def has_same_numbers(node: ir.Node, source: QuantizationParameters, output: QuantizationParameters) -> bool:
    """Whether what an affine makes has the numbers of what it reads."""
    found = affine_parameters(node, source)
    return found is not None and found.same_as(output)


def gate_ends(parameters: QuantizationParameters) -> tuple[int, int]:
    """The numbers at which a HardSigmoid of these parameters is 0 and 1, or the last one."""
    [scale], [zero_point] = parameters.scale, parameters.zero_point
    return int(zero_point), min(int(zero_point) + round(1 / scale), LEVELS)
