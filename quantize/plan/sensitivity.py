"""How sensitive a model's outputs are to rounding: what each value in uint8, and each layer's weights in int8, cost."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.constants import Array
from zoosmith.optimize import to_proto
from zoosmith.optimize.channel_affine import read_affine
from zoosmith.optimize.values import (
    add_initializer,
    is_standard,
    name_of,
    new_names,
    new_node,
    opset,
)
from zoosmith.quantize.calibration import Range, Samples
from zoosmith.quantize.output_errors import output_error
from zoosmith.quantize.plan.error_price import Sensitivity
from zoosmith.quantize.plan.partition import units
from zoosmith.quantize.writing.quantization_parameters import QuantizationParameters
from zoosmith.quantize.writing.rounded_weights import NONE_ROUNDED, RoundedWeights, round_weights
from zoosmith.quantize.writing.same_numbers import has_same_numbers, is_gate
from zoosmith.validation import OnnxRuntimeRunner

# samples that sensitivity is measured on
SAMPLES = 2
_SATURATING = ("Softmax", "LogSoftmax", "Sigmoid", "HardSigmoid")
# of the worst cost
_LEAST = 1e-6
# of the input that chooses what is rounded
_NONE = -1


def measure_sensitivity(
    model: ir.Model,
    parameters: Mapping[ir.Value, QuantizationParameters],
    ranges: Mapping[str, Range],
    samples: Samples,
    rounded: Mapping[str, RoundedWeights] = NONE_ROUNDED,
    progress: Progress = SILENT,
) -> Sensitivity:
    """Round one thing at a time, and compare the outputs.

    All is done in one session of a float model in which an input chooses what is rounded, by an If for each thing.
    Logits are compared where the outputs are probabilities, which on few samples hide most errors and enlarge others.

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
    values = {
        name_of(value): (value, _encoded(found))
        for value, found in parameters.items()
        if not _is_exact(value.producer(), parameters, found)
    }
    layers = {
        step.name: (
            step.node.outputs[0],
            _rounded(
                step.node, rounded.get(step.name) or round_weights(step.node, ranges.get(name_of(step.sources[0])))
            ),
        )
        for step in units(model)
        if step.form and step.form.starts
    }
    _end_before_saturation(model)
    gates = _Gates(model)
    # those of values first: what is inserted behind a node later stands before them
    for value, change in (*values.values(), *layers.values()):
        gates.add(value, change)
    runner = OnnxRuntimeRunner(to_proto(model))
    costs = []
    with progress.task("measuring sensitivity", len(values) + len(layers)) as task:
        exact = [runner.run({**sample, gates.input: np.array(_NONE)}) for sample in chosen]
        for index in range(len(values) + len(layers)):
            found = [runner.run({**sample, gates.input: np.array(index)}) for sample in chosen]
            costs.append(_cost(exact, found))
            task.advance()
    # what was not seen on few samples is not nothing
    costs = [max(cost, _LEAST * max(costs)) for cost in costs]
    return Sensitivity(dict(zip(values, costs, strict=False)), dict(zip(layers, costs[len(values) :], strict=True)))


def _is_exact(
    node: ir.Node | None, parameters: Mapping[ir.Value, QuantizationParameters], found: QuantizationParameters
) -> bool:
    """Whether a value in uint8 has the numbers of another one, so that encoding it rounds nothing."""
    if node is None:
        return False
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
    """Adds to a model what is computed only where the input says so.

    Attributes:
        input: the name of the input: the number of the gate that is open, in the order of `add`; -1 for none.
    """

    def __init__(self, model: ir.Model) -> None:
        self._graph = model.graph
        self._opset = opset(model)
        self._names = new_names(model)
        self._chosen = ir.Value(
            name=self._names.fresh("rounded"), shape=ir.Shape([]), type=ir.TensorType(ir.DataType.INT64)
        )
        self._graph.inputs.append(self._chosen)
        self._count = 0
        self.input = name_of(self._chosen)

    def add(self, value: ir.Value, change: "_Change") -> None:
        """Let all that reads `value` read what `change` makes of it, where this gate is open."""
        readers, is_output = list(value.uses()), value.is_graph_output()
        closed = self._branch([new_node("Identity", [value], self._new("same"))])
        opened = self._branch(list(change(self, value)))
        number = self.constant(np.array(self._count))
        self._count += 1
        condition = self._new("open")
        result = self._new(name_of(value))
        nodes = [
            new_node("Equal", [self._chosen, number], condition),
            new_node("If", [condition], result, then_branch=opened, else_branch=closed),
        ]
        producer = value.producer()
        if producer is None:
            self._graph.insert_before(self._graph[0], nodes)
        else:
            self._graph.insert_after(producer, nodes)
        for reader in readers:
            reader.node.replace_input_with(reader.idx, result)
        if is_output:
            # the output keeps its name
            result.name, value.name = value.name, result.name
            result.type, result.shape = value.type, value.shape
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


_Change = Callable[[_Gates, ir.Value], Iterator[ir.Node]]


def _encoded(parameters: QuantizationParameters) -> _Change:
    """What a value is after it was encoded in uint8."""

    def change(gates: _Gates, value: ir.Value) -> Iterator[ir.Node]:
        scale, zero_point = (
            gates.constant(_along_channels(part, len(value.shape or ())))
            for part in (parameters.scale, parameters.zero_point)
        )
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

    return change


def _rounded(node: ir.Node, rounded: RoundedWeights) -> _Change:
    """What a layer makes of rounded weights: the same layer of their rounding errors, added to what it makes."""

    def change(gates: _Gates, value: ir.Value) -> Iterator[ir.Node]:
        given = [gates.constant(rounded.error)]
        if node.op_type == "Gemm":
            given.append(gates.constant(np.zeros(1, np.float32)))
        error = gates.emit(node.op_type, node.inputs[0], *given, **node.attributes)
        shift = gates.constant(_along_channels(rounded.shift, rounded.error.ndim))
        moved = gates.emit("Add", error.outputs[0], shift)
        yield from (error, moved, gates.emit("Add", value, moved.outputs[0]))

    return change


def _along_channels(values: Array, rank: int) -> Array:
    """Float32 figures of channels, to be combined with a tensor of that rank."""
    return values.astype(np.float32).reshape(() if len(values) == 1 else (-1, *[1] * max(rank - 2, 0)))


def _cost(exact: list[dict[str, Any]], found: list[dict[str, Any]]) -> float:
    """Energy of the errors over that of the values, of the worst output in float, or of all where none is."""
    numbers = {name: value.dtype.kind for name, value in exact[0].items() if isinstance(value, np.ndarray)}
    kinds = "f" if "f" in numbers.values() else "iub"
    costs = [0.0]
    for name in (name for name, kind in numbers.items() if kind in kinds):
        pairs = [output_error(wanted[name], given[name]) for wanted, given in zip(exact, found, strict=True)]
        values, errors = (np.concatenate(part) for part in zip(*pairs, strict=True))
        usable = np.isfinite(values) & np.isfinite(errors)
        energy = float(np.sum(values[usable] ** 2))
        costs.append(float(np.sum(errors[usable] ** 2)) / energy if energy else 0.0)
    # more digits differ from machine to machine
    return float(f"{max(costs):.3g}")
