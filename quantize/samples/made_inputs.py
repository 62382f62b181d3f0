"""Made-up inputs: random ones, or sound for a net that reads a signal; some for each number that chooses a branch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from onnx import ModelProto, helper

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.ports import Port, input_ports
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.samples.graph_inputs import Signal, choices, signal_input
from zoosmith.quantize.samples.made_sounds import MadeSound
from zoosmith.quantize.samples.reading import LazySamples
from zoosmith.validation import InputSource, ValidationError, runner_for
from zoosmith.validation.errors import StoppedError
from zoosmith.validation.inputs.fitting import Case, fitting_cases
from zoosmith.validation.inputs.random_values import InputShape
from zoosmith.validation.running.clock import Clock, loaded
from zoosmith.validation.running.runner import Runner

# a frame of sound in widths of the Fourier transform that reads it: 576 and 288 values for those of silero-vad
_FRAME = 9 / 4
# values of a frame where no width is stated, and of a batch
_USUAL_FRAME = 1024
# sets of numbers that choose branches
_MOST_SETS = 12


def random_cases(model: ModelProto, count: int, inputs: InputSource, timeout: float | None) -> Samples:
    """Random inputs of sizes on which the model runs.

    An integer that the graph compares with constants takes these in turn, and the numbers beside them, so that samples
    come to every branch of an If.

    Args:
        model: what reads them.
        count: how many.
        inputs: seed and sizes.
        timeout: seconds for the search of sizes.

    Raises:
        ValidationError: the model runs with no sizes that were tried.
    """
    run = _runs(model, timeout)
    fitted = [(numbers, case.sizes) for numbers, case in _of_each_choice(model, run, [inputs])]

    def make(index: int) -> dict[str, Any]:
        numbers, sizes = fitted[index % len(fitted)]
        [made] = replace(inputs, seed=inputs.seed + index, dims=sizes).cases(model)
        return {**made, **numbers}

    return LazySamples(count, make)


def sound_cases(model: ModelProto, count: int, inputs: InputSource, timeout: float | None) -> Samples:
    """Frames of made-up sound, in sequence: states that the model makes of one frame are inputs with the next.

    An input and an output of the same shape are such a state; the first one is zeros. For each number that chooses a
    branch there is a sound of its own. Frames have the length that the model states, else the one that fits.

    Args:
        model: what reads them.
        count: how many.
        inputs: seed and sizes.
        timeout: seconds for the search of sizes.

    Raises:
        QuantizeError: the model does not read a signal.
        ValidationError: the model runs with no sizes that were tried.
    """
    signal = signal_input(model)
    if signal is None:
        raise QuantizeError("sound is made up only for a net with one input that a Fourier transform reads")
    run = _runs(model, timeout)
    sequences = [
        _Sequence(run, case, numbers, signal.port.name, MadeSound(inputs.seed + index))
        for index, (numbers, case) in enumerate(_of_each_choice(model, run, _frames(signal, inputs)))
    ]
    return LazySamples(count, lambda index: sequences[index % len(sequences)][index // len(sequences)])


_Run = Callable[[Mapping[str, Any]], dict[str, Any]]


def choice_sets(model: ModelProto) -> int:
    """How many sets of numbers choose branches of a model; 1 where there are none, or too many."""
    return len(_numbers(model))


def _runs(model: ModelProto, timeout: float | None) -> _Run:
    """How to run a model, for so many seconds in all."""
    clock = Clock(timeout)
    runner: Runner = loaded(lambda: runner_for(model, timeout=clock.left()), clock)
    return lambda case: runner.run(case, timeout=clock.left())


def _of_each_choice(
    model: ModelProto, run: _Run, sources: Sequence[InputSource]
) -> list[tuple[Mapping[str, Array], Case]]:
    """Sets of numbers that choose a branch, each with a case on which the model runs; those that it refuses left out.

    Raises ValidationError where it refuses all, for what the first one was refused.
    """
    found: list[tuple[Mapping[str, Array], Case]] = []
    refusals: list[ValidationError] = []
    for numbers, source in product(_numbers(model), sources):
        if any(numbers is known for known, _ in found):
            continue
        try:
            found.append((numbers, _fitting(model, run, numbers, source)))
        except StoppedError:
            raise
        except ValidationError as error:
            refusals.append(error)
    if not found:
        raise refusals[0]
    return found


def _fitting(model: ModelProto, run: _Run, numbers: Mapping[str, Array], source: InputSource) -> Case:
    [case] = fitting_cases(model, lambda made: run({**made, **numbers}), source, 1, same_sizes=True)
    return case


def _numbers(model: ModelProto) -> list[dict[str, Array]]:
    """Every set of numbers that choose a branch; an empty one where there are none, or too many."""
    found = choices(model)
    sets = list(product(*found.values()))
    if len(sets) > _MOST_SETS:
        return [{}]
    ports = {port.name: port for port in input_ports(model.graph)}
    return [{name: _number(ports[name], number) for name, number in zip(found, each, strict=True)} for each in sets]


def _number(port: Port, number: int) -> Array:
    return np.full([1] * len(port.shape or ()), number, helper.tensor_dtype_to_np_dtype(port.elem_type))


def _frames(signal: Signal, inputs: InputSource) -> list[InputSource]:
    """The sizes to try: what is given first, else lengths that fit the transforms, the longest first."""
    shape = signal.port.shape or ()
    if signal.port.name in inputs.shapes or any(isinstance(size, str) and size in inputs.dims for size in shape):
        return [inputs]
    open_axes = [axis for axis, size in enumerate(shape) if not isinstance(size, int)]
    sizes = [size if isinstance(size, int) else 1 for size in shape]
    if not open_axes or max(sizes) > 1:
        return [inputs]
    lengths = [round(_FRAME * kernel) for kernel in signal.kernels] or [_USUAL_FRAME]
    last = open_axes[-1]
    return [
        replace(
            inputs, shapes={**inputs.shapes, signal.port.name: InputShape((*sizes[:last], length, *sizes[last + 1 :]))}
        )
        for length in lengths
    ]


class _Sequence:
    """Samples of one sound, each with the states that the model made of the one before."""

    def __init__(self, run: _Run, case: Case, numbers: Mapping[str, Array], signal: str, sound: MadeSound) -> None:
        self._run, self._signal, self._sound = run, signal, sound
        given = {name: value for name, value in case.inputs.items() if name != signal}
        self._shape = case.inputs[signal].shape
        self._states = _states(given, case.outputs)
        self._given = {**given, **numbers}
        self._kept: list[dict[str, Array]] = [{name: np.zeros_like(given[name]) for name in self._states}]

    def __getitem__(self, index: int) -> dict[str, Any]:
        while len(self._kept) <= index:
            outputs = self._run(self._sample(len(self._kept) - 1))
            self._kept.append({name: outputs[output] for name, output in self._states.items()})
        return self._sample(index)

    def _sample(self, index: int) -> dict[str, Any]:
        count = int(np.prod(self._shape))
        frame = self._sound.piece(index * count, count).reshape(self._shape)
        return {**self._given, self._signal: frame, **self._kept[index]}


def _states(given: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, str]:
    """Inputs that are states, and the outputs that the next ones are: as many of each float32 shape."""
    result: dict[str, str] = {}
    shapes = dict.fromkeys(value.shape for value in given.values() if _is_float(value))
    for shape in shapes:
        names, made = (
            [name for name, value in values.items() if _is_float(value) and value.shape == shape]
            for values in (given, outputs)
        )
        if len(names) == len(made):
            result.update(zip(names, made, strict=True))
    return result


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float32
