"""Where the inputs of test data and of calibration come from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from onnx import ModelProto

from zoosmith.execution import SILENT, Executor, Job, Progress
from zoosmith.files.calibration import Calibration, Gathered, find_samples, made_up_source, samples_to_check
from zoosmith.onnx_model.ports import input_ports
from zoosmith.quantize import QuantizeError
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.samples.made_pictures import KINDS, NATURAL
from zoosmith.quantize.samples.reading import SOUND
from zoosmith.recipes.source import Arrays, Run
from zoosmith.validation import ValidationError
from zoosmith.validation.accuracy.classifier import image_input
from zoosmith.validation.errors import StoppedError
from zoosmith.validation.inputs.fitting import fed_cases, fitting_cases
from zoosmith.validation.inputs.random_values import InputShape
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.reading.datasets import DataSet

# far from the data sets, so that a row does not depend on their number
FIRST_CALIBRATION_SAMPLE = 10_000
NATURAL_PICTURES = "made-up pictures of natural statistics"

Drawn = list[Job[list[DataSet]]]
"""What computes the data sets, in order."""


class Inputs(Protocol):
    """Inputs for test data and for calibration where a user gives none."""

    @property
    def kind(self) -> str:
        """What they are, in the plural: `made-up pictures`."""

    @property
    def calibrated_kind(self) -> str:
        """What those for calibration are, in the plural."""

    @property
    def made_up(self) -> bool:
        """Whether no user gave them."""

    @property
    def noise(self) -> bool:
        """Whether they are random numbers, on which little is proved."""

    @property
    def needs_data(self) -> bool:
        """Whether samples for calibration are made after the data sets."""

    def fitted(self, model: ModelProto, run: Run, wanted: "Wanted", progress: Progress = SILENT) -> "Inputs":
        """Return the inputs that fit a source.

        Args:
            model: the source at its own opset; weights may be mapped.
            run: gives its outputs.
            wanted: what is asked of made-up inputs.
            progress: told what was chosen.
        """

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
class Wanted:
    """What a build asks of made-up inputs.

    Attributes:
        seed: chooses them.
        samples: how many to calibrate on; of sound so many for each number that chooses a branch.
        preprocess: name of the preprocessing of pictures; None for the one that `quantize` chooses.
        force: make no choice by the statistics that the model states.
    """

    seed: int
    samples: int
    preprocess: str | None = None
    force: bool = False


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
    noise = False
    needs_data = False

    @property
    def calibrated_kind(self) -> str:
        """As `kind`."""
        return self.kind

    def fitted(self, model: ModelProto, run: Run, wanted: Wanted, progress: Progress = SILENT) -> "Inputs":
        """They fit as they are."""
        return self

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
class MadeUpInputs:
    """Pictures or sound, as `quantize` makes them for a model; they are of one seed.

    Attributes:
        found: what is calibrated on.
        to_check: gives so many others for the data sets.
    """

    found: Gathered
    to_check: Callable[[int], Samples]
    made_up = True
    noise = False
    needs_data = False

    @property
    def kind(self) -> str:
        """What the data sets are, in the plural: natural pictures are among all pictures."""
        if self.found.kind in (None, NATURAL):
            return self.calibrated_kind
        return f"made-up pictures ({KINDS[NATURAL]}, then {KINDS[str(self.found.kind)]}; {self._preprocessed})"

    @property
    def calibrated_kind(self) -> str:
        """What those for calibration are, in the plural."""
        if self.found.source == SOUND:
            return "frames of made-up sound"
        if self.found.kind == NATURAL:
            return f"{NATURAL_PICTURES} ({self._preprocessed})"
        return f"made-up pictures ({KINDS[str(self.found.kind)]}; {self._preprocessed})"

    @property
    def _preprocessed(self) -> str:
        return f"preprocessing {self.found.to_array.name}"

    def fitted(self, model: ModelProto, run: Run, wanted: Wanted, progress: Progress = SILENT) -> Inputs:
        """They fit as they are."""
        return self

    def draw(self, structure: ModelProto, run: Run, count: int, seed: int, executor: Executor) -> Drawn:
        """Compute all data sets in one job: a frame of sound has the states that come of the one before."""
        # an archive numbers them as the model does
        names = [port.name for port in input_ports(structure.graph)]

        def compute() -> list[DataSet]:
            ordered = [{name: each[name] for name in names if name in each} for each in self.to_check(count)]
            return [DataSet(inputs, run(inputs)) for inputs in ordered]

        return [executor.submit(compute)]

    def for_calibration(self, data: list[DataSet], count: int, seed: int, structure: ModelProto) -> Samples:
        """Return those that were found."""
        return self.found.samples


@dataclass(frozen=True)
class GivenInputs:
    """Inputs that fit the source: a user's, or else pictures or sound where it takes them, random numbers elsewhere.

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

    @property
    def calibrated_kind(self) -> str:
        """As `kind`."""
        return self.kind

    @property
    def noise(self) -> bool:
        """Whether they are random numbers."""
        return self.made_up

    def fitted(self, model: ModelProto, run: Run, wanted: Wanted, progress: Progress = SILENT) -> Inputs:
        """Return pictures or sound where `quantize` would make these up, on which the source runs; else themselves.

        Raises:
            ValidationError: a run was stopped.
        """
        inputs = replace(self.source, seed=wanted.seed)
        if not self.made_up or made_up_source(model, inputs) is None:
            return self
        try:
            try:
                return _made_up(model, run, wanted, inputs, progress)
            except StoppedError:
                raise
            except ValidationError:
                return _made_up(model, run, wanted, self._of_sizes_that_fit(model, run, inputs), progress)
        except StoppedError:
            raise
        except (QuantizeError, ValidationError) as error:
            progress.note(f"test inputs are {self.kind}: {error}")
            return self

    def _of_sizes_that_fit(self, structure: ModelProto, run: Run, inputs: InputSource) -> InputSource:
        """The inputs in sizes on which the source runs."""
        cases = fitting_cases(structure, lambda made: run(self.adapt(made)), inputs, 1, same_sizes=True, corners=False)
        shapes = {name: InputShape(np.shape(value)) for name, value in cases[0].inputs.items()}
        return replace(inputs, shapes=shapes, dims={})

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


def _made_up(model: ModelProto, run: Run, wanted: Wanted, inputs: InputSource, progress: Progress) -> MadeUpInputs:
    """The pictures or sound of a model.

    Raises:
        QuantizeError: a value of the model is not finite on them.
        ValidationError: the model does not run on them; of sizes that are open, on those that pictures have.
    """
    calibration = Calibration(samples=wanted.samples, preprocess=wanted.preprocess, force=wanted.force)
    found = find_samples(model, calibration, inputs, progress)

    def to_check(count: int) -> Samples:
        return samples_to_check(model, found, count, inputs)

    if found.source != SOUND and image_input(model, inputs=inputs).chosen:
        run(to_check(1)[0])
    return MadeUpInputs(found, to_check)
