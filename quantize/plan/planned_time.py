"""How long a model takes by the table of costs: in float, and with some of its nodes in integers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import onnx_ir as ir

from zoosmith.optimize.values import constant, input_constant, is_standard, name_of, read_values, sizes
from zoosmith.quantize.plan.costs import COSTS, border_cost, border_excess, step_cost
from zoosmith.quantize.plan.partition import Step, units

_RECURRENT = ("LSTM", "GRU", "RNN")


@dataclass(frozen=True)
class PlannedTime:
    """What a plan takes, and the same model in float.

    Attributes:
        float_model: microseconds of the float model.
        planned: microseconds of the integer one.
    """

    float_model: float = 0.0
    planned: float = 0.0

    def __add__(self, other: "PlannedTime") -> "PlannedTime":
        return PlannedTime(self.float_model + other.float_model, self.planned + other.planned)

    @property
    def saved(self) -> float:
        """The share of the float model's time that is saved."""
        return 1 - self.planned / self.float_model if self.float_model else 0.0


def planned_time(model: ir.Model, shapes: Mapping[str, tuple[int, ...]], integer: Collection[str]) -> PlannedTime:
    """What the table of costs says of a plan.

    Operators without an integer form are not in the table: those that multiply as layers do are counted by their
    products, others not at all.

    Args:
        model: the float model that was planned for, as `fold_to_ir` gives it.
        shapes: of its float32 tensors, by name.
        integer: names of the steps that are integer.
    """
    steps = units(model)
    others = sum(_microseconds_of_products(step.node) for step in steps if step.form is None)
    return PlannedTime(
        others + _time(steps, model.graph.outputs, shapes, ()),
        others + _time(steps, model.graph.outputs, shapes, integer),
    )


def _time(
    steps: list[Step], outputs: Sequence[ir.Value], shapes: Mapping[str, tuple[int, ...]], integer: Collection[str]
) -> float:
    encoded = {step.output for step in steps if step.name in integer and step.encodes}
    makers = {step.output: step for step in steps}
    read_as: dict[ir.Value, set[bool]] = {value: {False} for value in outputs}
    total = 0.0
    for step in steps:
        is_integer = step.name in integer
        for value in read_values(step.node):
            read_as.setdefault(value, set()).add(is_integer and value in step.sources)
        if step.form is not None and all(name_of(value) in shapes for value in (*step.sources, step.output)):
            total += step_cost(step, shapes)[is_integer]
            if (step.sources[0] in encoded) != is_integer:
                total += border_excess(step, shapes)[is_integer]
    for value, sides in read_as.items():
        if constant(value) is not None or name_of(value) not in shapes or sides == {value in encoded}:
            continue
        to_integer, to_float = border_cost(shapes[name_of(value)])
        maker = makers.get(value)
        if value in encoded:
            total += to_float
        # ONNX Runtime moves a QuantizeLinear before a MaxPool, which is one of integers then
        elif maker is None or maker.node.op_type != "MaxPool":
            total += to_integer
    return total


def _microseconds_of_products(node: ir.Node) -> float:
    """Microseconds for the products of an operator that the table does not have; 0 for those that have none."""
    source = sizes(node.inputs[0]) if node.inputs else None
    known = prod(size or 1 for size in source or ())
    if is_standard(node, "ConvTranspose"):
        weights = input_constant(node, 1)
        return 0.0 if weights is None else COSTS["Conv"][0].microseconds(0, known * weights[0].size)
    if is_standard(node, *_RECURRENT):
        matrices = [found for found in (input_constant(node, index) for index in (1, 2)) if found is not None]
        rows = prod(size or 1 for size in (source or ())[:2])
        return sum(COSTS["product of few rows"][0].microseconds(0, rows * matrix.size) for matrix in matrices)
    return 0.0
