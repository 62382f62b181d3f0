"""Channels that meet in a Concat made alike, where per-channel affines alone read it.

The QDQ form has one scale for all that a Concat joins. In a DenseNet a convolution whose values are a tenth of those of
another one would keep a tenth of the 255 levels. The convolutions that make the channels take a factor, the affines
behind take it back, each channel by a number of its own: so nothing is lost for it (the rule of Nagel et al.,
"Data-free quantization", 2019, section 4.1, for one affine or more behind any number of Concats).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.channel_affine import read_affine
from zoosmith.optimize.values import (
    add_initializer,
    attribute,
    has_float_constants,
    input_constant,
    input_value,
    is_standard,
    name_of,
    new_names,
    sizes,
)
from zoosmith.quantize.calibration import Range
from zoosmith.quantize.rewrites.equalized_channels import LEAST, PASS_ON
from zoosmith.quantize.writing.quantization_parameters import round_up

Key = TypeVar("Key")

Place = tuple[ir.Value, int]
"""A value, and the channel of it where those of a convolution begin."""


@dataclass
class _Channels:
    """Where the channels of a convolution are found.

    Attributes:
        places: in values that hold them, not all of them the same ones.
        readers: affines that read such a value, and where the channels begin.
        joined: whether a Concat is between.
    """

    places: list[Place] = field(default_factory=list)
    readers: list[tuple[ir.Node, int]] = field(default_factory=list)
    joined: bool = False


def equalize_concatenated(model: ir.Model, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """Scale the channels that meet in a Concat, in place; the float model computes the same.

    Args:
        model: the float model that is quantized.
        ranges: of its float values, by name.

    Returns:
        The ranges of the values after it.
    """
    makers: dict[ir.Node, Array] = {}
    readers: dict[ir.Node, Array] = {}
    values: dict[ir.Value, Array] = {}
    for node in model.graph:
        found = _channels_of(node) if is_standard(node, "Conv") and has_float_constants(node) else None
        factors = None if found is None else _factors(node, found, ranges)
        if found is None or factors is None:
            continue
        makers[node] = factors
        for reader, start in found.readers:
            _put(readers, reader, len(_constant(reader, 1)), start, factors)
        for value, start in found.places:
            if name_of(value) in ranges:
                _put(values, value, len(ranges[name_of(value)].low), start, factors)
    _scale(model, makers, readers)
    result = dict(ranges)
    for value, factors in values.items():
        before = ranges[name_of(value)]
        parts = (before.low, before.high, before.mean, before.deviation)
        result[name_of(value)] = Range(*(part / factors for part in parts))
    return result


def _channels_of(conv: ir.Node) -> _Channels | None:
    """Where the channels of a convolution go; None where something else than affines reads them."""
    result, ahead = _Channels(), [(conv.outputs[0], 0)]
    while ahead:
        value, start = place = ahead.pop()
        if place in result.places:
            continue
        if value.is_graph_output():
            return None
        result.places.append(place)
        for use in value.uses():
            node = use.node
            if node.graph is not value.graph:
                return None
            if is_standard(node, "BatchNormalization") and read_affine(node) is not None and use.idx == 0:
                result.readers.append((node, start))
            elif is_standard(node, *PASS_ON) and len(node.outputs) == 1:
                ahead.append((node.outputs[0], start))
            elif is_standard(node, "Concat") and attribute(node, "axis") == 1:
                offset = _offset(node, use.idx)
                if offset is None:
                    return None
                result.joined = True
                ahead.append((node.outputs[0], offset + start))
            else:
                return None
    return result


def _offset(concat: ir.Node, position: int) -> int | None:
    """Where the channels of an input begin in what a Concat makes; None where that is not known."""
    total = 0
    for value in concat.inputs[:position]:
        shape = sizes(value)
        if shape is None or len(shape) < 2 or shape[1] is None:
            return None
        total += shape[1]
    return total


def _factors(conv: ir.Node, found: _Channels, ranges: Mapping[str, Range]) -> Array | None:
    """What each channel is divided by, so that all reach as far as the largest that they meet; None for nothing."""
    reaches = list(_reaches(found, len(_constant(conv, 1)), ranges))
    if not found.joined or not reaches:
        return None
    own = np.max([each for each, _ in reaches], axis=0)
    top = max(each for _, each in reaches)
    if top <= 0:
        return None
    factors = round_up(np.maximum(np.where(own > 0, own / top, 1.0), LEAST))
    return factors if np.any(factors != 1) else None


def _reaches(found: _Channels, count: int, ranges: Mapping[str, Range]) -> Iterator[tuple[Array, float]]:
    """For each value that holds the channels: the largest magnitude of each of them, and of all of the value."""
    for value, start in found.places:
        if name_of(value) in ranges:
            each = ranges[name_of(value)]
            reach = np.maximum(np.abs(each.low), np.abs(each.high))
            yield reach[start : start + count], float(reach.max())


def _put(of: dict[Key, Array], key: Key, length: int, start: int, factors: Array) -> None:
    """Note factors of some channels of a node or value; those of the others are 1."""
    of.setdefault(key, np.ones(length))[start : start + len(factors)] = factors


def _scale(model: ir.Model, makers: Mapping[ir.Node, Array], readers: Mapping[ir.Node, Array]) -> None:
    """Divide what convolutions make by factors, and multiply by them what affines read."""
    names = new_names(model)

    def scale(node: ir.Node, index: int, factors: Array) -> None:
        value = input_value(node, index)
        if value is None:
            return
        array = _constant(node, index)
        scaled = (array * factors.reshape(-1, *[1] * (array.ndim - 1))).astype(np.float32)
        node.replace_input_with(index, add_initializer(model.graph, names.fresh(f"{name_of(value)}_scaled"), scaled))

    for node, factors in makers.items():
        for index in (1, 2):
            scale(node, index, 1 / factors)
    for node, factors in readers.items():
        # scale * (x - mean): the mean is of the smaller values
        scale(node, 1, factors)
        scale(node, 3, 1 / factors)
    RemoveUnusedNodesPass()(model)


def _constant(node: ir.Node, index: int) -> Array:
    array = input_constant(node, index)
    assert array is not None
    return array
