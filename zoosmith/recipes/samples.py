"""Where the inputs of test data and of calibration come from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from onnx import ModelProto

from zoosmith.execution import Executor, Job
from zoosmith.quantize.calibration import Samples
from zoosmith.recipes.source import Arrays, Run
from zoosmith.validation.inputs.fitting import fed_cases, fitting_cases
from zoosmith.validation.inputs.random_values import InputShape
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.reading.datasets import DataSet

# far from the data sets, so that a row does not depend on their number
FIRST_CALIBRATION_SAMPLE = 10_000

Drawn = list[Job[list[DataSet]]]
"""What computes the data sets, in order."""


class Inputs(Protocol):
    """Inputs for test data and for calibration where a user gives none."""

    @property
    def kind(self) -> str:
        """What they are, in the plural: `made-up pictures`."""

    @property
    def made_up(self) -> bool:
        """Whether no user gave them."""

    @property
    def needs_data(self) -> bool:
        """Whether samples for calibration are made after the data sets."""

    def draw(self, structure: ModelProto, run: Run, count: int, seed: int, executor: Executor) -> Drawn:
        """Begin to compute the data sets.

        Args:
            structure: the source at its own opset.
            run: gives the outputs of the source.
            count: how many; given data has a number of its own.
            seed: of made-up inputs.
            executor: where it is computed.
        """

    def for_calibration(self, data: list[DataSet], count: int, seed: int, structure: ModelProto) -> Samples:
        """Return at most `count` samples for calibration, other than the data sets where they are made up."""


@dataclass(frozen=True)
class SampleInputs:
    """Inputs that a recipe makes.

    Attributes:
        make: gives the arrays of all inputs, by the rows' names, for a seed and the number of a sample; the same on
            every machine.
        kind: what they are, in the plural: `made-up pictures`.
    """

    make: Callable[[int, int], Arrays]
    kind: str
    made_up = True
    needs_data = False

    def draw(self, structure: ModelProto, run: Run, count: int, seed: int, executor: Executor) -> Drawn:
        """Compute each data set in a job of its own."""

        def compute(index: int) -> list[DataSet]:
            inputs = self.make(seed, index)
            return [DataSet(inputs, run(inputs))]

        return [executor.submit(compute, index) for index in range(count)]

    def for_calibration(self, data: list[DataSet], count: int, seed: int, structure: ModelProto) -> Samples:
        """Make other samples than those of the data sets."""
        numbers = range(FIRST_CALIBRATION_SAMPLE, FIRST_CALIBRATION_SAMPLE + count)
        return [self.make(seed, number) for number in numbers]


@dataclass(frozen=True)
class GivenInputs:
    """Inputs that fit the source: random ones, or a user's.

    Attributes:
        source: sizes and types, or a file of data.
        adapt: makes of random inputs what the source can run on.
    """

    source: InputSource
    adapt: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    needs_data = True

    @property
    def kind(self) -> str:
        """What they are, in the plural."""
        return (
            "random numbers" if self.made_up else f"the inputs of {self.source.feed.name if self.source.feed else ''}"
        )

    @property
    def made_up(self) -> bool:
        """Whether no user gave them."""
        return self.source.feed is None

    def draw(self, structure: ModelProto, run: Run, count: int, seed: int, executor: Executor) -> Drawn:
        """Compute all data sets in one job, since the first one tells the sizes of the others."""
        inputs = replace(self.source, seed=seed)

        def compute() -> list[DataSet]:
            if not self.made_up:
                cases = fed_cases(run, inputs.cases(structure))
            else:
                adapted = fitting_cases(
                    structure, lambda made: run(self.adapt(made)), inputs, count, same_sizes=True, corners=False
                )
                cases = [replace(case, inputs=self.adapt(case.inputs)) for case in adapted]
            order = list(cases[0].outputs) if cases else []
            return [DataSet(case.inputs, {name: case.outputs[name] for name in order}) for case in cases]

        return [executor.submit(compute)]

    def for_calibration(self, data: list[DataSet], count: int, seed: int, structure: ModelProto) -> Samples:
        """Return the user's own inputs, or random ones of the sizes of the data sets."""
        if not self.made_up:
            return [each.inputs for each in data[:count]]
        shapes = {name: InputShape(np.shape(value)) for name, value in data[0].inputs.items()}
        inputs = InputSource(seed + FIRST_CALIBRATION_SAMPLE, shapes=shapes)
        return [self.adapt(case) for case in inputs.cases(structure, count)]
