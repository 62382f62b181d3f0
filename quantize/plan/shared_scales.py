"""How each uint8 tensor is encoded: values that are moved into one tensor share a scale, or are encoded twice."""

from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.channel_affine import read_affine
from zoosmith.optimize.values import is_standard, name_of, opset, read_values
from zoosmith.quantize.calibration import Range
from zoosmith.quantize.plan.partition import Partition, Step
from zoosmith.quantize.plan.thresholds import cut_by_thresholds
from zoosmith.quantize.target import Target
from zoosmith.quantize.writing import quantization_parameters
from zoosmith.quantize.writing.quantization_parameters import QuantizationParameters
from zoosmith.quantize.writing.same_numbers import (
    UINT8_CLIP,
    affine_parameters,
    gate_parameters,
    needed_range,
    with_gate_on_step,
)
from zoosmith.quantize.writing.thresholds import UINT8_MAX_OPSET

MUCH_COARSER = 4.0
"""How many times as coarse as its own scale a shared one is before a value keeps its own.

Measured on a convolution of 32 channels, 28 x 28, whose input meets a larger one in a Concat: its error is 1.8 % with a
scale of its own, at any ratio. With the shared scale it is 1.9, 2.5, 4.0, 7.2 and 22 % at the ratios 1, 2, 4, 8 and
24. To encode the input again takes 4 of 120 microseconds.
"""
COARSER = 1.5
"""The same where the model is beyond its limit of accuracy."""


def choose_parameters(
    model: ir.Model,
    parts: Partition,
    ranges: Mapping[str, Range],
    target: Target,
    coarser: float = MUCH_COARSER,
) -> dict[ir.Value, QuantizationParameters]:
    """Choose the scale and zero point of each encoded value: as small a scale as those that read it allow.

    Values that meet in a Concat share one only where a reader after it needs that. The QDQ form has one for all. Where
    the shared scale would be much coarser than its own, a value that others read, too, keeps its own for them.

    Args:
        model: of the steps.
        parts: the steps.
        ranges: of their values, by name.
        target: the form that will be written.
        coarser: how many times as coarse as that of a value alone a shared scale is at least before it keeps its own.

    Returns:
        Those of `parts.encoded`, and of each Concat for which a value is encoded a second time.
    """
    bounds = {step.output: (step.lowest, step.highest) for step in parts.steps if step.encodes}

    def range_of(value: ir.Value) -> tuple[Array, Array]:
        needed = needed_range(value, model.graph.outputs, ranges[name_of(value)])
        return _bounded(needed, *bounds.get(value, (-np.inf, np.inf)))

    def shared(members: Iterable[ir.Value]) -> QuantizationParameters:
        lows, highs = zip(*map(range_of, members), strict=True)
        return quantization_parameters.per_tensor(
            np.concatenate(lows), np.concatenate(highs), symmetric=target.symmetric
        )

    def is_coarse(value: ir.Value, members: Iterable[ir.Value]) -> bool:
        return shared(members).nominal_scale >= coarser * shared([value]).nominal_scale

    groups = _Groups(model.graph.outputs, parts, per_tensor=target.format == "qdq")
    twice = [
        (step, value)
        for step, value in groups.shared_for_a_concat()
        if is_coarse(value, groups.group_of(value, parts.encoded))
    ]
    if twice:
        groups = _Groups(model.graph.outputs, parts, per_tensor=target.format == "qdq", encoded_twice=twice)
    result: dict[ir.Value, QuantizationParameters] = {}
    for per_tensor, members in groups.members([*parts.encoded, *dict.fromkeys(step.output for step, _ in twice)]):
        if per_tensor:
            result.update(dict.fromkeys(members, shared(members)))
        else:
            result[members[0]] = quantization_parameters.per_channel(*range_of(members[0]))
    if target.format == "integer" and opset(model) >= UINT8_CLIP:
        _share_numbers_with_gates(parts, result, groups)
    if target.format == "integer":
        _share_numbers_with_affines(parts, result, groups)
    if target.thresholds and opset(model) >= UINT8_MAX_OPSET:
        result = cut_by_thresholds(parts, result, groups.is_alone)
    return result


def _share_numbers_with_gates(
    parts: Partition, parameters: dict[ir.Value, QuantizationParameters], groups: "_Groups"
) -> None:
    """Let each HardSigmoid have the numbers of what it reads, where both values have parameters of their own."""
    for step in parts.steps:
        if not step.form or not is_standard(step.node, "HardSigmoid") or step.output is not step.node.outputs[0]:
            continue
        [source] = step.sources
        if source in parameters and groups.is_alone(source) and groups.is_alone(step.output):
            fitted = with_gate_on_step(step.node, parameters[source])
            gate = gate_parameters(step.node, fitted)
            if gate is not None:
                parameters[source], parameters[step.output] = fitted, gate


def _share_numbers_with_affines(
    parts: Partition, parameters: dict[ir.Value, QuantizationParameters], groups: "_Groups"
) -> None:
    """Let each affine of one scale that integer convolutions alone read have the numbers of what it reads."""
    makers = {step.node: step for step in parts.steps if step.form}
    for step in parts.steps:
        affine = read_affine(step.node) if step.form else None
        if affine is None or step.output is not step.node.outputs[0] or step.output.is_graph_output():
            continue
        readers = [makers.get(use.node) for use in step.output.uses()]
        if not all(reader is not None and reader.node.op_type == "Conv" for reader in readers):
            continue
        if affine.source in parameters and groups.is_alone(affine.source) and groups.is_alone(step.output):
            found = affine_parameters(step.node, parameters[affine.source])
            parameters[step.output] = found or parameters[step.output]


def _bounded(found: Range, lowest: float, highest: float) -> tuple[Array, Array]:
    """The lowest and highest values of the channels, as far as a Relu or Clip lets them through."""
    low, high = np.clip(found.low, lowest, highest), np.clip(found.high, lowest, highest)
    # values below the seen ones reach a lower bound, too
    return (np.full_like(low, lowest) if np.isfinite(lowest) else low), high


class _Groups:
    """Values that are moved into each other unchanged, and whether a reader of one needs one scale for all of them.

    A Concat can bring the scales of what it joins along. So its result joins their group only where it needs one scale.

    Args:
        outputs: of the model.
        parts: the steps.
        per_tensor: all need one scale.
        encoded_twice: Concats, and values that keep a scale of their own beside that of the Concat.
    """

    def __init__(
        self,
        outputs: Iterable[ir.Value],
        parts: Partition,
        *,
        per_tensor: bool,
        encoded_twice: Collection[tuple[Step, ir.Value]] = (),
    ) -> None:
        self._parent: dict[ir.Value, ir.Value] = {}
        moves = [step for step in parts.steps if step.form and step.form.moves]
        concats = [step for step in moves if step.form and step.form.every_input]
        for step in moves:
            if step not in concats:
                self._parent[self._root(step.sources[0])] = self._root(step.output)
        self._per_tensor = {self._root(value) for value in (*outputs, *parts.entries)}
        for step in parts.steps:
            if per_tensor or not step.form or not step.form.per_channel:
                self._per_tensor.update(map(self._root, step.sources if step.form else read_values(step.node)))
            if step.form and (per_tensor or step.form.between):
                self._per_tensor.add(self._root(step.output))
        read = {self._root(value) for value in _read_in_uint8(outputs, parts)}
        own = {value: self._root(value) in read for step in concats for value in step.sources}
        self._joined: list[tuple[Step, ir.Value]] = []
        # the last one first, so that it is known what is needed behind each
        for step in reversed(concats):
            if self._root(step.output) in self._per_tensor:
                for value in dict.fromkeys(step.sources):
                    if (step, value) in encoded_twice:
                        self._per_tensor.add(self._root(value))
                        continue
                    if own[value]:
                        self._joined.append((step, value))
                    self._parent[self._root(value)] = self._root(step.output)

    def shared_for_a_concat(self) -> list[tuple[Step, ir.Value]]:
        """The Concats, and of what each reads the values that share a scale for it though others read them, too."""
        return self._joined

    def group_of(self, value: ir.Value, values: Iterable[ir.Value]) -> list[ir.Value]:
        """Those of the values that have the same parameters as `value`."""
        return [each for each in values if self._root(each) is self._root(value)]

    def members(self, values: Iterable[ir.Value]) -> list[tuple[bool, list[ir.Value]]]:
        """The values that need the same parameters, together (True), and the others, each alone (False)."""
        groups: dict[ir.Value, list[ir.Value]] = {}
        for value in values:
            root = self._root(value)
            groups.setdefault(root if root in self._per_tensor else value, []).append(value)
        return [(self._root(found[0]) in self._per_tensor, found) for found in groups.values()]

    def is_alone(self, value: ir.Value) -> bool:
        """Whether a value is moved nowhere, and nothing else into it."""
        return value not in self._parent and value not in self._parent.values()

    def _root(self, value: ir.Value) -> ir.Value:
        while self._parent.get(value, value) is not value:
            value = self._parent[value]
        return value


def _read_in_uint8(outputs: Iterable[ir.Value], parts: Partition) -> Iterator[ir.Value]:
    """The values of which some node computes with the uint8 form, or with a float value that is made of it."""
    made = {step.output for step in parts.steps if step.encodes}
    for step in parts.steps:
        if step.form is None:
            yield from (value for value in read_values(step.node) if value in made)
        elif not step.form.moves:
            yield from step.sources
    yield from (value for value in outputs if value in made)
