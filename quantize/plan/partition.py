"""Which nodes become integer and which stay in float."""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from zoosmith.optimize.values import attribute, constant, is_standard, name_of, only_reader, opset
from zoosmith.quantize.integer_forms import IntegerForm, form_of


@dataclass(frozen=True)
class Step:
    """One node of the float model, and what becomes of it.

    Attributes:
        node: the node.
        output: the value that the step makes: of the Relu or Clip after the node, where it is part of the step.
        form: how it becomes integer; None for a node that stays in float.
        lowest: the lower bound of a Relu or Clip that joined.
        highest: the upper bound.
    """

    node: ir.Node
    output: ir.Value
    form: IntegerForm | None = None
    lowest: float = -np.inf
    highest: float = np.inf

    @property
    def name(self) -> str:
        """The name of the value that the node makes, which stands for the step."""
        return name_of(self.node.outputs[0])

    @property
    def sources(self) -> list[ir.Value]:
        """The values that an integer node reads in their uint8 form."""
        inputs = [value for value in self.node.inputs if value is not None]
        if self.form is not None and self.form.every_input:
            return inputs
        # of a Mul by a constant, either may be that
        return [value for value in inputs if constant(value) is None][:1]

    @property
    def encodes(self) -> bool:
        """Whether the step makes a value in its uint8 form."""
        return self.form is not None and not self.form.gives_float

    @property
    def replaced(self) -> list[ir.Node]:
        """The float nodes that the integer form stands for: the node, and the Relu or Clip that joined it."""
        last = self.output.producer()
        return [self.node] if last is None or last is self.node else [self.node, last]


@dataclass
class Partition:
    """The steps in topological order, and the values that have to be quantized from float."""

    steps: list[Step]
    entries: list[ir.Value] = field(default_factory=list)

    @property
    def computed(self) -> list[Step]:
        """The integer steps with weights of their own, which may stay in float instead."""
        return [step for step in self.steps if step.form and step.form.starts]

    @property
    def encoded(self) -> list[ir.Value]:
        """The float values that get quantization parameters from their own range."""
        made = [step.output for step in self.steps if step.form and step.encodes and not step.form.moves]
        return [*self.entries, *made]


def units(model: ir.Model) -> list[Step]:
    """The nodes as steps, each in its integer form where it has one, with the Relu or Clip that would join it."""
    version = opset(model)
    joined: set[ir.Node] = set()
    result = []
    for node in model.graph:
        if node in joined:
            continue
        output = node.outputs[0]
        form = form_of(node, version)
        if form is None:
            result.append(Step(node, output))
            continue
        step = Step(node, output, form, form.lowest, form.highest)
        after = only_reader(output)
        bounds = None if after is None else _bounds(after)
        if after is not None and bounds is not None and not form.moves and not form.gives_float:
            step = Step(node, after.outputs[0], form, max(form.lowest, bounds[0]), min(form.highest, bounds[1]))
            joined.add(after)
        result.append(step)
    return result


def partition(model: ir.Model, integer: Collection[str]) -> Partition:
    """The steps in which the chosen nodes are integer and all others stay in float.

    Args:
        model: as `fold_to_ir` gives it.
        integer: names of steps of `units` that have an integer form.
    """
    result = Partition([])
    quantized: set[ir.Value] = set()
    for step in units(model):
        if step.form is None or step.name not in integer:
            result.steps.extend(Step(node, node.outputs[0]) for node in step.replaced)
            continue
        result.entries.extend(value for value in step.sources if value not in quantized and value not in result.entries)
        quantized.update(step.sources)
        if step.encodes:
            quantized.add(step.output)
        result.steps.append(step)
    return result


def _bounds(node: ir.Node) -> tuple[float, float] | None:
    """The bounds of a Relu, or of a Clip that has 0 inside, else None."""
    if is_standard(node, "Relu"):
        return 0.0, np.inf
    if not is_standard(node, "Clip"):
        return None
    bounds = [float(attribute(node, "min", -np.inf)), float(attribute(node, "max", np.inf))]
    for position, value in enumerate(node.inputs[1:3]):
        bound = constant(value)
        if value is not None and bound is None:
            return None
        if bound is not None:
            bounds[position] = float(bound)
    return (bounds[0], bounds[1]) if bounds[0] <= 0 <= bounds[1] else None
