"""What errors cost beside time: how sensitive the outputs are to each rounding, and the price of that."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoosmith.optimize.values import input_constant, name_of
from zoosmith.quantize.plan.partition import Step

# microseconds for each byte of a file, the time to read it from memory: weights stay in float where they are worth it
_BYTE = 1e-4
# bytes that a weight takes more in float32 than in int8
_MORE = 3


@dataclass(frozen=True)
class Sensitivity:
    """What rounding costs the outputs: energy of their error over that of their values, of the worst output.

    Errors of different origin are nearly independent, so that their energies add up.

    Attributes:
        values: what it costs that a float value is encoded in uint8, by its name.
        weights: what it costs that the weights of a layer are rounded to int8, by the name of the step.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)

    def of_moved(self, step: Step) -> float:
        """What it costs to encode what a step that moves values makes: the same as to encode what it reads."""
        return sum(self.values.get(name_of(value), 0.0) for value in step.sources)

    def of_layer(self, step: Step) -> float:
        """What it costs that a step alone is integer: to encode what it reads and makes, and to round its weights."""
        values = {name_of(value) for value in (*step.sources, step.output)}
        return sum(self.values.get(name, 0.0) for name in values) + self.weights.get(step.name, 0.0)


@dataclass(frozen=True)
class ErrorPrice:
    """The price of errors, in the unit of time that a plan is made in.

    Attributes:
        sensitivity: what rounding costs the outputs.
        microseconds: what an error as large as the outputs costs.
    """

    sensitivity: Sensitivity = field(default_factory=Sensitivity)
    microseconds: float = 0.0

    def of_value(self, name: str) -> float:
        """Of a value in uint8."""
        return self.microseconds * self.sensitivity.values.get(name, 0.0)

    def of_moved(self, step: Step) -> float:
        """Of what a step that moves values makes, encoded behind it."""
        return self.microseconds * self.sensitivity.of_moved(step)

    def of_weights(self, step: Step) -> float:
        """Of the weights of a layer in int8."""
        return self.microseconds * self.sensitivity.weights.get(step.name, 0.0)

    def of_stored(self, step: Step) -> float:
        """Of the weights of a layer in float, where the file holds them in whichever type costs less."""
        return min(self.of_weights(step), _size(step))

    def wants_float_weights(self, step: Step) -> bool:
        """Whether the weights of a layer in float are worth their size in float."""
        return self.of_weights(step) > _size(step)


def _size(step: Step) -> float:
    weights = input_constant(step.node, 1) if step.form and step.form.starts else None
    return 0.0 if weights is None else _BYTE * _MORE * weights.size
