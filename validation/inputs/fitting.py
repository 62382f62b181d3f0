"""Random inputs on which a model runs: sizes and values are tried until it does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import ml_dtypes
import numpy as np
from onnx import ModelProto, TensorProto

from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.loading import model_name
from zoosmith.validation.errors import StoppedError, ValidationError
from zoosmith.validation.inputs.given_sizes import ways_to_give
from zoosmith.validation.inputs.random_values import InputShape, Manner, described_inputs, random_inputs
from zoosmith.validation.inputs.sizes import (
    Sizes,
    concrete_shapes,
    open_sizes,
    other_sizes,
    size_candidates,
    usual_sizes,
    words_of,
)
from zoosmith.validation.inputs.source import InputSource

Run = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Runs a model on inputs by name; raises ValidationError where it does not run on them."""

# sizes that are tried before a model counts as one that does not run
_MOST_TRIED = 80
# sizes that are tried for a second case before it gets those of the first
_MOST_TRIED_AGAIN = 24
# further cases that are tried where an output had nothing to compare
_MOST_FURTHER = 6


@dataclass(frozen=True)
class Case:
    """One run of a model.

    Attributes:
        inputs: by name.
        outputs: what it gave, by name.
        sizes: of its open dimensions.
    """

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    sizes: Sizes = field(default_factory=dict)


def fed_cases(run: Run, inputs: list[dict[str, Any]]) -> list[Case]:
    """Run a model on given inputs. Raises as `run` does."""
    return [Case(case, run(case)) for case in inputs]


def fitting_cases(
    model: ModelProto,
    run: Run,
    inputs: InputSource,
    count: int,
    *,
    same_sizes: bool = False,
    corners: bool = True,
    enough: Callable[[], bool] = lambda: False,
) -> list[Case]:
    """Run a model on random inputs that fit it.

    The open sizes of the first case are small ones, or where the model does not run with these, others. Each further
    case has other sizes than the one before it, if any others fit, and every second one has values at which operators
    change their course. Where an output has no element to compare (none at all, or only NaN), a few more cases are
    tried.

    Args:
        model: the graph suffices.
        run: runs it.
        inputs: seed, and sizes that are not to be changed.
        count: how many cases.
        same_sizes: all cases have the sizes of the first, which are 1 where they fit, and plain values.
        corners: False for plain values everywhere.
        enough: asked after each case whether further ones can be left out.

    Raises:
        StoppedError: the time is up.
        ValidationError: the model ran with no sizes that were tried; the message says what can be given.
    """
    fit = _Fit(model, run, inputs, corners)
    if same_sizes:
        return fit.alike(count)
    cases = [fit.first()]
    while len(cases) < count and not enough():
        cases.append(fit.next(cases[-1], len(cases)))
    for index in range(len(cases), len(cases) + _MOST_FURTHER):
        if not outputs_without_values([case.outputs for case in cases]):
            break
        cases.append(fit.next(cases[-1], index))
    return cases


def usual_case(model: ModelProto, run: Run, inputs: InputSource) -> Case:
    """Run a model on random inputs of the sizes that such nets are used with, else of others that fit.

    Args:
        model: the graph suffices.
        run: runs it.
        inputs: seed, and sizes that are not to be changed.

    Raises:
        StoppedError: the time is up.
        ValidationError: the model ran with no sizes that were tried; the message says what can be given.
    """
    return _Fit(model, run, inputs, corners=False).usual()


def outputs_without_values(outputs: list[Mapping[str, Any]]) -> list[str]:
    """Names of the outputs of which no run gave an element that says anything: all are empty or NaN."""
    names = outputs[0] if outputs else {}
    return [name for name in names if not any(_says_something(run.get(name)) for run in outputs)]


class _Fit:
    def __init__(self, model: ModelProto, run: Run, inputs: InputSource, corners: bool) -> None:
        self._model = model
        self._run = run
        self._inputs = inputs
        self._corners = corners
        self._given = dict(inputs.dims)
        self._ports = described_inputs(model, inputs.shapes, self._given, model_name(model))
        self._open = open_sizes(self._ports)
        # where values of the kind "plain" did not run
        self._manner: Manner = "plain"

    def first(self) -> Case:
        """With the first sizes that fit."""
        return self._first(islice(size_candidates(self._open, self._given), _MOST_TRIED), 0)

    def alike(self, count: int) -> list[Case]:
        ones = {size.name: self._given.get(size.name, 1) for size in self._open}
        others = islice(size_candidates(self._open, self._given), _MOST_TRIED)
        cases = [self._first(iter([ones, *others]), 0)]
        while len(cases) < count:
            cases.append(self._case(cases[0].sizes, self._manner, len(cases)))
        return cases

    def usual(self) -> Case:
        """With the sizes that such nets are used with, or with the first others that fit."""
        others = islice(size_candidates(self._open, self._given), _MOST_TRIED)
        return self._first(iter([*usual_sizes(self._open, self._given), *others]), 0)

    def next(self, last: Case, index: int) -> Case:
        """With other sizes than the last case, as many as can be."""
        manner: Manner = "corners" if self._corners and index % 2 else self._manner
        others = other_sizes(self._open, self._given, last.sizes)
        for sizes in [*others[:_MOST_TRIED_AGAIN], last.sizes]:
            for tried in dict.fromkeys((manner, self._manner)):
                try:
                    return self._case(sizes, tried, index)
                except StoppedError:
                    raise
                except ValidationError:
                    continue
        return self._case(last.sizes, self._manner, 0)

    def _first(self, candidates: Any, index: int) -> Case:
        refusal: ValidationError | None = None
        tried = []
        for sizes in candidates:
            tried.append(sizes)
            for manner in self._manners():
                try:
                    case = self._case(sizes, manner, index)
                except StoppedError:
                    raise
                except ValidationError as error:
                    refusal = refusal or error
                else:
                    self._manner = manner
                    return case
            if not self._open or all(size.name in self._given for size in self._open):
                break
        assert refusal is not None
        raise ValidationError(f"{refusal}; {self._advice(tried)}") from refusal

    def _manners(self) -> tuple[Manner, ...]:
        integers = any(port.elem_type in (TensorProto.INT64, TensorProto.INT32) for port in self._ports)
        return ("plain", "small") if integers else ("plain",)

    def _case(self, sizes: Sizes, manner: Manner, index: int) -> Case:
        shapes = {
            name: InputShape(shape, _given_type(self._inputs.shapes.get(name)))
            for name, shape in concrete_shapes(self._ports, sizes).items()
        }
        made = random_inputs(self._model, seed=self._inputs.seed + index, shapes=shapes, manner=manner)
        return Case(made, self._run(made), sizes)

    def _advice(self, tried: list[Sizes]) -> str:
        free = [size.name for size in self._open if size.name not in self._given]
        if any(port.shape is None for port in self._ports):  # the refusal says so
            return f"or data with {argument('feed', 'FILE')}"
        if not free:
            return f"give inputs that it takes with {argument('feed', 'FILE')}"
        shown = "; ".join(words_of(sizes) for sizes in tried[:2])
        return (
            f"tried {len(tried)} sizes of {', '.join(free)} ({shown}; ...): "
            f"give {', '.join(ways_to_give(self._ports, free))} or data with {argument('feed', 'FILE')}"
        )


def _given_type(shape: InputShape | None) -> int | None:
    return None if shape is None else shape.elem_type


def _says_something(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_says_something, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_says_something, value))
    if value is None:
        return False
    array = np.asarray(value)
    if not array.size:
        return False
    try:
        ml_dtypes.finfo(array.dtype)  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        return True
    return not bool(np.isnan(array).all())
