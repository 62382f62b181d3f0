"""How sensitive a model's outputs are to rounding: what each value in uint8, and each layer's weights in int8, cost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx import ModelProto

from zoosmith.execution import SILENT, Progress, give_back
from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.mapped import size_in_bytes
from zoosmith.optimize import to_ir, to_proto
from zoosmith.optimize.channel_affine import read_affine
from zoosmith.optimize.values import (
    add_initializer,
    attribute,
    input_constant,
    is_standard,
    name_of,
    new_names,
    new_node,
)
from zoosmith.quantize.calibration import Range, Samples
from zoosmith.quantize.output_errors import holds_numbers, output_error
from zoosmith.quantize.plan.blocks import Blocks, different
from zoosmith.quantize.plan.error_price import Sensitivity
from zoosmith.quantize.plan.partition import units
from zoosmith.quantize.writing.quantization_parameters import LEVELS, QuantizationParameters
from zoosmith.quantize.writing.rounded_weights import NONE_ROUNDED, RoundedWeights, round_weights
from zoosmith.quantize.writing.same_numbers import has_same_numbers, is_gate
from zoosmith.quantize.writing.thresholds import Thresholds
from zoosmith.validation import OnnxRuntimeRunner

# samples that sensitivity is measured on
SAMPLES = 2
_SATURATING = ("Softmax", "LogSoftmax", "Sigmoid", "HardSigmoid")
# of the worst cost
_LEAST = 1e-6
# of the input that chooses what is rounded
_NONE = -1
# of one block of the model, on average
_CHANGES, _BLOCKS = 8, 16


def measure_sensitivity(
    model: ir.Model,
    parameters: Mapping[ir.Value, QuantizationParameters],
    ranges: Mapping[str, Range],
    samples: Samples,
    rounded: Mapping[str, RoundedWeights] = NONE_ROUNDED,
    progress: Progress = SILENT,
) -> Sensitivity:
    """Round one thing at a time, and compare the outputs.

    The model is run in blocks. Where something is rounded, its block is run with an input that chooses what, by an If
    for each thing; those behind it run as they are, and only where what they read is another. Logits are compared where
    the outputs are probabilities, which on few samples hide most errors and enlarge others.

    Args:
        model: the float model, which is used up.
        parameters: of the values that are encoded, which are measured, as are the weights of all layers.
        ranges: of the values, by name.
        samples: the model's inputs by name; the first SAMPLES are run.
        rounded: weights that are rounded already, by the names of their layers.
        progress: notified of what was measured.

    Raises:
        ValidationError: the model cannot be run.
    """
    chosen = samples[:SAMPLES]
    changes: list[_Change] = [
        *(
            _Encoding(name_of(value), found, len(value.shape or ()))
            for value, found in parameters.items()
            if not _is_exact(value.producer(), parameters, found)
        ),
        # behind those of values: what is inserted behind a node later stands before them
        *(
            _Rounding(
                step.name,
                # products are written without what is known of their source
                None if step.form.gives_float else ranges.get(name_of(step.sources[0])),
                rounded.get(step.name),
                has_bias=not step.form.gives_float,
            )
            for step in units(model)
            if step.form and step.form.starts
        ),
    ]
    _end_before_saturation(model)
    costs: dict[_Change, float] = {}
    with progress.task("measuring sensitivity", len(changes)) as task:
        blocks = Blocks(to_proto(model), chosen, min(len(changes) // _CHANGES + 1, _BLOCKS), _no_tensors(model))
        exact = [blocks.outputs(number) for number in range(len(chosen))]
        for change, changed in _changed(blocks, changes, chosen):
            costs[change] = _cost(exact, [blocks.outputs(*each) for each in enumerate(changed)])
            task.advance()
    # what was not seen on few samples is not nothing
    least = _LEAST * max(costs.values(), default=0.0)
    values, weights = (
        {change.name: max(costs[change], least) for change in changes if isinstance(change, kind)}
        for kind in (_Encoding, _Rounding)
    )
    return Sensitivity(values, weights)


def _changed(
    blocks: Blocks, changes: Sequence["_Change"], samples: Samples
) -> Iterator[tuple["_Change", list[Mapping[str, Any]]]]:
    """Each change with the values between blocks that are others by it, for each sample."""
    for change in changes:
        if isinstance(change, _Encoding) and change.name in blocks.inputs:
            yield change, [{change.name: change.of_array(sample[change.name])} for sample in samples]
    for block in blocks.blocks:
        inside = [change for change in changes if change.name in block.made]
        if inside:
            given = [blocks.values(block.inputs, sample) for sample in range(len(samples))]
            yield from _changed_inside(block.model, inside, given)
            give_back(size_in_bytes(block.model))


def _changed_inside(
    model: ModelProto, changes: Sequence["_Change"], samples: Sequence[Mapping[str, Any]]
) -> Iterator[tuple["_Change", list[Mapping[str, Any]]]]:
    """Each change of one block with what this makes otherwise by it, for each sample of its inputs."""
    gates = _Gates(to_ir(model))
    for change in changes:
        gates.add(change)
    chosen = gates.input
    runner = OnnxRuntimeRunner(to_proto(gates.model), spin=False)
    # the runner has all of it
    del gates
    exact = [runner.run({**each, chosen: np.array(_NONE)}) for each in samples]
    for index, change in enumerate(changes):
        found = [runner.run({**each, chosen: np.array(index)}) for each in samples]
        yield change, [different(*pair) for pair in zip(found, exact, strict=True)]


def _no_tensors(model: ir.Model) -> set[str]:
    """Names of values that are sequences or may be missing."""
    made = (value for node in model.graph for value in node.outputs)
    return {name_of(value) for value in made if isinstance(value.type, ir.SequenceType | ir.OptionalType)}


def _is_exact(
    node: ir.Node | None, parameters: Mapping[ir.Value, QuantizationParameters], found: QuantizationParameters
) -> bool:
    """Whether a value in uint8 has the numbers of another one, so that encoding it rounds nothing."""
    if node is None:
        return False
    if isinstance(found, Thresholds):
        return True
    if is_standard(node, "HardSigmoid"):
        source = node.inputs[0]
        return source is not None and source in parameters and is_gate(node, parameters[source], found)
    affine = read_affine(node)
    source = None if affine is None else affine.source
    return source is not None and source in parameters and has_same_numbers(node, parameters[source], found)


def _end_before_saturation(model: ir.Model) -> None:
    """Let outputs that a Softmax or Sigmoid makes be what that reads."""
    outputs = model.graph.outputs
    for index, output in enumerate(outputs):
        last = output.producer()
        if last is None or not is_standard(last, *_SATURATING):
            continue
        logits = last.inputs[0]
        if logits is not None and logits.producer() is not None and logits not in outputs:
            outputs[index] = logits


class _Gates:
    """Adds to a model what is computed only where an input says so.

    Attributes:
        model: the one that is changed.
        input: the name of the input: the number of the gate that is open, in the order of `add`; -1 for none.
    """

    def __init__(self, model: ir.Model) -> None:
        self.model = model
        self._graph = model.graph
        self._names = new_names(model)
        self._made = {name_of(value): value for node in model.graph for value in node.outputs if value.name}
        self._chosen = ir.Value(
            name=self._names.fresh("rounded"), shape=ir.Shape([]), type=ir.TensorType(ir.DataType.INT64)
        )
        self._graph.inputs.append(self._chosen)
        self._count = 0
        self.input = name_of(self._chosen)

    def add(self, change: "_Change") -> None:
        """Let all that reads a value read what the change makes of it, where this gate is open."""
        value = self._made[change.name]
        producer = value.producer()
        assert producer is not None
        readers, is_output = list(value.uses()), value.is_graph_output()
        closed = self._branch([new_node("Identity", [value], self._new("same"))])
        opened = self._branch(list(change.nodes(self, value)))
        number = self.constant(np.array(self._count))
        self._count += 1
        condition = self._new("open")
        result = ir.Value(name=self._names.fresh(name_of(value)), type=value.type, shape=value.shape)
        nodes = [
            new_node("Equal", [self._chosen, number], condition),
            new_node("If", [condition], result, then_branch=opened, else_branch=closed),
        ]
        self._graph.insert_after(producer, nodes)
        for reader in readers:
            reader.node.replace_input_with(reader.idx, result)
        if is_output:
            # the output keeps its name
            result.name, value.name = value.name, result.name
            self._graph.outputs[list(self._graph.outputs).index(value)] = result

    def constant(self, array: Array) -> ir.Value:
        return add_initializer(self._graph, self._names.fresh("rounding"), array)

    def emit(self, op_type: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Node:
        return new_node(op_type, list(inputs), self._new("rounding"), **attributes)

    def _new(self, name: str) -> ir.Value:
        return ir.Value(name=self._names.fresh(name))

    def _branch(self, nodes: list[ir.Node]) -> ir.Graph:
        output = nodes[-1].outputs[0]
        output.type = ir.TensorType(ir.DataType.FLOAT)
        return ir.Graph([], [output], nodes=nodes, name=self._names.fresh("branch"))


@dataclass(frozen=True, eq=False)
class _Encoding:
    """A value becomes what it is after it was encoded in uint8.

    Attributes:
        name: of the value.
        parameters: how it is encoded.
        rank: of the value.
    """

    name: str
    parameters: QuantizationParameters
    rank: int

    def nodes(self, gates: _Gates, value: ir.Value) -> Iterator[ir.Node]:
        """What makes the one value of the other."""
        scale, zero_point = (gates.constant(part) for part in self._constants())
        # QuantizeLinear takes no zero points outside uint8; of scale 1 it rounds and cuts, in every opset
        one, zero = gates.constant(np.array(1, np.float32)), gates.constant(np.array(0, np.uint8))
        for op_type, given in (
            ("Div", [scale]),
            ("Add", [zero_point]),
            ("QuantizeLinear", [one, zero]),
            ("DequantizeLinear", [one, zero]),
            ("Sub", [zero_point]),
            ("Mul", [scale]),
        ):
            node = gates.emit(op_type, value, *given)
            yield node
            value = node.outputs[0]

    def of_array(self, value: Array) -> Array:
        """The same of an array."""
        scale, zero_point = self._constants()
        found: Array = (np.clip(np.rint(value / scale + zero_point), 0, LEVELS) - zero_point) * scale
        return found

    def _constants(self) -> Iterator[Array]:
        for part in (self.parameters.scale, self.parameters.zero_point):
            yield _along_channels(part, self.rank)


@dataclass(frozen=True, eq=False)
class _Rounding:
    """The result of a layer becomes that of rounded weights: the layer of their rounding errors is added to it.

    Attributes:
        name: of the result.
        seen: the range of what the layer reads, where that is known.
        known: the weights, where they are rounded already.
        has_bias: whether the integer form has a bias, which takes the mean of the errors.
    """

    name: str
    seen: Range | None
    known: RoundedWeights | None
    has_bias: bool

    def nodes(self, gates: _Gates, value: ir.Value) -> Iterator[ir.Node]:
        """What makes the one result of the other."""
        layer = value.producer()
        assert layer is not None
        weights = input_constant(layer, 1)
        assert weights is not None
        rounded = self.known or round_weights(layer, self.seen)
        given = [gates.constant(rounded.error(weights))]
        if layer.op_type == "Gemm":
            given.append(gates.constant(np.zeros(1, np.float32)))
        error = gates.emit(layer.op_type, layer.inputs[0], *given, **layer.attributes)
        yield error
        added = error.outputs[0]
        if self.has_bias:
            mean = rounded.shift * attribute(layer, "alpha", 1.0)
            moved = gates.emit("Add", added, gates.constant(_along_channels(mean, weights.ndim)))
            yield moved
            added = moved.outputs[0]
        yield gates.emit("Add", value, added)


_Change = _Encoding | _Rounding


def _along_channels(values: Array, rank: int) -> Array:
    """Float32 figures of channels, to be combined with a tensor of that rank."""
    return values.astype(np.float32).reshape(() if len(values) == 1 else (-1, *[1] * max(rank - 2, 0)))


def _cost(exact: list[dict[str, Any]], found: list[dict[str, Any]]) -> float:
    """Energy of the errors over that of the values, of the worst output in float, or of all where none is."""
    numbers = {name: value.dtype.kind for name, value in exact[0].items() if holds_numbers(value)}
    kinds = "f" if "f" in numbers.values() else "iub"
    costs = [0.0]
    for name in (name for name, kind in numbers.items() if kind in kinds):
        pairs = [output_error(wanted[name], given[name]) for wanted, given in zip(exact, found, strict=True)]
        values, errors = (np.concatenate(part) for part in zip(*pairs, strict=True))
        # what is not finite any more is lost as a whole
        errors = np.where(np.isfinite(errors), errors, values)
        usable = np.isfinite(values)
        energy = float(np.sum(values[usable] ** 2))
        costs.append(float(np.sum(errors[usable] ** 2)) / energy if energy else 0.0)
    # more digits differ from machine to machine
    return float(f"{max(costs):.3g}")
