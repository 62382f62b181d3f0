"""How long a model takes by the table of costs: in float, and with some of its nodes in integers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from zoosmith.optimize.values import constant, name_of, read_values
from zoosmith.quantize.plan.costs import conversion_cost, conversion_excess, step_cost
from zoosmith.quantize.plan.float_time import may_be_integer, other_time
from zoosmith.quantize.plan.partition import Step, units


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


def planned_time(
    model: ir.Model,
    shapes: Mapping[str, tuple[int, ...]],
    integer: Collection[str],
    float_model: float | None = None,
    *,
    thresholds: bool = False,
) -> PlannedTime:
    """What the tables of costs say of a plan.

    Args:
        model: the float model that was planned for, rewritten for integers.
        shapes: of its float32 tensors, by name.
        integer: names of the steps that are integer.
        float_model: microseconds of the float model before it was rewritten, where known.
        thresholds: whether the target may cut uint8 values off by a Max.
    """
    steps = units(model)
    others = other_time(steps, shapes)
    planned = others + _time(steps, model.graph.outputs, shapes, integer, thresholds)
    rewritten = others + _time(steps, model.graph.outputs, shapes, (), thresholds)
    # what is rewritten for integers may be slower in float than it was: the plan is held against the slower of both
    return PlannedTime(max(rewritten, float_model or 0.0), planned)


def _time(
    steps: list[Step],
    outputs: Sequence[ir.Value],
    shapes: Mapping[str, tuple[int, ...]],
    integer: Collection[str],
    thresholds: bool,
) -> float:
    encoded = {step.output for step in steps if step.name in integer and step.encodes}
    makers = {step.output: step for step in steps}
    read_as: dict[ir.Value, set[bool]] = {value: {False} for value in outputs}
    total = 0.0
    for step in steps:
        is_integer = step.name in integer
        for value in read_values(step.node):
            read_as.setdefault(value, set()).add(is_integer and value in step.sources)
        if may_be_integer(step, shapes):
            total += step_cost(step, shapes, thresholds=thresholds)[is_integer]
            if (step.sources[0] in encoded) != is_integer:
                total += conversion_excess(step, shapes)[is_integer]
    for value, sides in read_as.items():
        if constant(value) is not None or name_of(value) not in shapes or sides == {value in encoded}:
            continue
        to_integer, to_float = conversion_cost(shapes[name_of(value)])
        maker = makers.get(value)
        if value in encoded:
            total += to_float
        # ONNX Runtime moves a QuantizeLinear before a MaxPool, which is one of integers then
        elif maker is None or maker.node.op_type != "MaxPool":
            total += to_integer
    return total
