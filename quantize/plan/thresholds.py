"""Which Relus become a Max or Min on uint8, by who reads them, and how their values are encoded then."""

from collections.abc import Callable, Mapping
from math import inf

import onnx_ir as ir

from zoosmith.optimize.channel_affine import read_affine
from zoosmith.optimize.values import is_standard, pads, sizes
from zoosmith.quantize.plan.partition import Partition, Step
from zoosmith.quantize.writing.quantization_parameters import QuantizationParameters, concatenate
from zoosmith.quantize.writing.thresholds import affine_before, has_plain_zero, thresholds

Parameters = Mapping[ir.Value, QuantizationParameters]


def cuts_of(step: Step) -> int:
    """By how many operators a step is cut off that ends in a Relu: a Max, a Min or both; 0 where it is no such step.

    Only operators read it which are convolutions without padding in integers. They take scales and zero points of each
    channel into their weights; what is padded would be another number in each.
    """
    readers = [use.node for use in step.output.uses()]
    if not _ends_in_relu(step) or step.output.is_graph_output() or not all(map(_is_unpadded, readers)):
        return 0
    affine = affine_before(step.output.producer())
    return 0 if affine is None else int((affine.scale >= 0).any()) + int((affine.scale < 0).any())


def cut_by_thresholds(
    parts: Partition, parameters: Parameters, is_alone: Callable[[ir.Value], bool]
) -> dict[ir.Value, QuantizationParameters]:
    """The parameters, with those of each Relu that becomes a Max or Min.

    Where zero is the same number in all channels, everything may read it.

    Args:
        parts: the steps.
        parameters: of the values that have some of their own.
        is_alone: whether a value shares its parameters with no other.
    """
    result = dict(parameters)
    makers = {step.output: step for step in parts.steps if step.form}
    integer = {step.node: step for step in parts.steps if step.form}
    for step in parts.steps:
        affine = affine_before(step.output.producer()) if _ends_in_relu(step) else None
        if affine is None or not is_alone(step.output):
            continue
        found = thresholds(affine, _parameters_of(affine.source, result, makers))
        readers = [integer.get(use.node) for use in step.output.uses()]
        if has_plain_zero(found) or (cuts_of(step) > 0 and all(map(_takes_scales, readers))):
            result[step.output] = found
    return result


def _ends_in_relu(step: Step) -> bool:
    """Whether a step is a Relu, or an affine and its Relu."""
    if step.form is None or step.form.starts or step.form.moves or (step.lowest, step.highest) != (0, inf):
        return False
    affine = affine_before(step.output.producer())
    return affine is not None and affine.source is step.sources[0]


def _is_unpadded(node: ir.Node) -> bool:
    return (is_standard(node, "Conv", "AveragePool", "GlobalAveragePool") and not pads(node)) or read_affine(
        node
    ) is not None


def _takes_scales(step: Step | None) -> bool:
    """Whether an integer step is written as a convolution that takes the scales of channels into its weights."""
    return step is not None and step.form is not None and (step.form.per_channel or step.node.op_type == "Conv")


def _parameters_of(value: ir.Value, known: Parameters, makers: Mapping[ir.Value, Step]) -> QuantizationParameters:
    """The parameters of a value, which are those of what is moved into it where it has none of its own."""
    if value in known:
        return known[value]
    step = makers[value]
    found = [_parameters_of(source, known, makers) for source in step.sources]
    if not is_standard(step.node, "Concat"):
        return found[0]
    channels = [(sizes(source) or (0, 0))[1] or 0 for source in step.sources]
    return concatenate([part.spread(count) for part, count in zip(found, channels, strict=True)])
