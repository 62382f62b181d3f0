"""How any original is held against what was made of it: loaded, run on the same inputs, compared, within one time."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto

from zoosmith.execution import SILENT, Progress, Task, ThreadExecutor, give_back
from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import Model, load_structure
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.validation.errors import StoppedError, UnsupportedError, ValidationError
from zoosmith.validation.inputs.fitting import Case, outputs_without_values
from zoosmith.validation.inputs.sizes import words_of
from zoosmith.validation.running.choice import onnx_runtime_has, runner_for
from zoosmith.validation.running.clock import Clock, finished, loaded, timed_run
from zoosmith.validation.running.onnx_runtime import OnnxRuntimeRunner, available_providers, onnx_runtime
from zoosmith.validation.running.runner import Runner, Runtime, reference_evaluator
from zoosmith.validation.verification.comparison import compare
from zoosmith.validation.verification.proof import Limits, Proof

if TYPE_CHECKING:
    from zoosmith.validation.verification.other_runtimes import ForeignResult

# seconds that another runtime may take where no limit is given
_TIMEOUT = 600.0

Draw = Callable[[Callable[[Mapping[str, Any]], dict[str, Any]]], list[Case]]
"""Makes the cases of a verification, given how to run the original."""


class RefusedResultError(ZoosmithError):
    """A runtime does not load what was made."""

    def __init__(self, runtime: Runtime, reason: str) -> None:
        super().__init__(reason)
        self.runtime = runtime


def prove(
    make_original: Callable[[], Runner],
    make_converted: Callable[[Callable[[], Runtime]], Runner],
    draw: Draw,
    source: str,
    limits: Limits,
    clock: Clock,
    *,
    together: bool = False,
    meanwhile: Callable[[], None] | None = None,
    progress: Progress = SILENT,
) -> tuple[Proof, list[Case]]:
    """Run one side, then the other, and compare their outputs by name, up to the first case that differs.

    Args:
        make_original: gives what ran before.
        make_converted: gives what was made of it, and can ask what ran the original; it has the same names of inputs
            and outputs.
        draw: makes the cases by running the original.
        source: where the inputs come from, in words.
        limits: what is accepted.
        clock: how long loading and runs may take.
        together: whether both are loaded at the same time; else there is only one of them at a time.
        meanwhile: called while they are loaded and the first one runs; what it raises goes through.
        progress: told of each case.

    Returns:
        The proof, and the cases with what the original gave.

    Raises:
        StoppedError: the time is up.
        ValidationError: the original cannot be run.
    """
    with ThreadExecutor(3) as beside, ExitStack() as ends:
        if together:
            original = beside.submit(make_original)
            make_original = partial(finished, original, clock)
            converted = beside.submit(make_converted, lambda: original.result().runtime)
        if meanwhile is not None and together:
            # what it finds counts before what the original does
            ends.callback(beside.submit(meanwhile).result)
        elif meanwhile is not None:
            meanwhile()
        runtime, drawn = _run_original(make_original, draw, clock, progress)
        ends.close()
        if not together:
            give_back()
        proof = _without_comparisons(runtime, drawn, source, limits)
        with progress.task("verifying", len(drawn)) as task:
            try:
                if together:
                    after = finished(converted, clock)
                else:
                    after = loaded(partial(make_converted, lambda: runtime), clock)
            except RefusedResultError as refusal:
                return replace(proof, converted=refusal.runtime, failure=str(refusal)), drawn
            return _compared(replace(proof, converted=after.runtime), after, drawn, clock, task), drawn


def _without_comparisons(runtime: Runtime, drawn: Sequence[Case], source: str, limits: Limits) -> Proof:
    """What is known when the original has been run."""
    unseen = outputs_without_values([case.outputs for case in drawn])
    if drawn and len(unseen) == len(drawn[0].outputs):
        raise ValidationError(
            f"nothing can be compared: in {len(drawn)} runs the original gave only empty outputs or NaN; "
            f"give data on which it gives values with {argument('feed', 'FILE')}"
        )
    sizes = tuple(case.sizes for case in drawn)
    shapes = tuple({name: _shape(value) for name, value in case.inputs.items()} for case in drawn)
    return Proof(runtime, runtime, source, shapes, (), limits, sizes=sizes, unseen=tuple(unseen))


def _compared(proof: Proof, after: Runner, drawn: Sequence[Case], clock: Clock, task: Task) -> Proof:
    """Run what was made on every case, up to the first that differs."""
    for done, case in enumerate(drawn, 1):
        try:
            outputs = timed_run(after, case.inputs, clock)
        except StoppedError:
            raise
        except ValidationError as error:
            return replace(proof, failure=_without_name(error, after.name))
        found = compare(case.outputs, outputs, rtol=proof.limits.rtol, atol=proof.limits.atol)
        proof = replace(proof, comparisons=(*proof.comparisons, found))
        task.advance()
        if not found.passed:
            return replace(proof, shapes=proof.shapes[:done], sizes=proof.sizes[:done])
    return proof


def converted_runner(
    model: Model,
    before: Callable[[], Runtime],
    providers: Sequence[str] | None = None,
    timeout: float | None = None,
    structure: ModelProto | None = None,
) -> Runner:
    """Return the runner of what was made; where ONNX Runtime ran the original, only a lack of the opset excuses it.

    Args:
        model: what was made.
        before: tells what ran the original.
        providers: execution providers of ONNX Runtime.
        timeout: seconds after which loading is stopped.
        structure: the model's graph, where it has been read already.

    Raises:
        StoppedError: the time is up.
        RefusedResultError: the runtime does not load it.
        ValidationError: the installed ONNX Runtime lacks a provider.
    """
    structure = load_structure(model) if structure is None else structure
    opset = default_opset(structure)
    in_reference = opset is not None and not onnx_runtime_has(opset) and not providers
    available_providers(providers or [])
    try:
        if in_reference:
            return runner_for(model, structure=structure)
        try:
            return OnnxRuntimeRunner(model, providers=providers, few_runs=True, timeout=timeout)
        except UnsupportedError:
            # it did not run the original either
            if providers or before() == onnx_runtime():
                raise
            return runner_for(model, timeout=timeout, structure=structure)
    except StoppedError:
        raise
    except ValidationError as error:
        name = os.fspath(model) if isinstance(model, (str, os.PathLike)) else f"model {structure.graph.name!r}"
        raise RefusedResultError(
            reference_evaluator() if in_reference else onnx_runtime(), _without_name(error, name)
        ) from error


def _run_original(
    make_original: Callable[[], Runner], draw: Draw, clock: Clock, progress: Progress
) -> tuple[Runtime, list[Case]]:
    """In a function of its own: when it ends, the memory of this side is free for the other."""
    with progress.task("running the original") as task:
        runner = loaded(make_original, clock)
        return runner.runtime, draw(lambda inputs: timed_run(runner, inputs, clock, task))


def proved_elsewhere(
    original: Model | None, converted: Model, cases: Sequence[Case], limits: Limits, progress: Progress
) -> "tuple[ForeignResult, ...]":
    """Prove what was made in each runtime of `limits.prove_in`, up to the first case that fails there.

    Args:
        original: the model as it was; None where it is no ONNX model.
        converted: what it became.
        cases: with what the original gave.
        limits: what is accepted, and where.
        progress: told of each case.

    Raises:
        ValidationError: a runtime is not installed, or cannot do the original either.
    """
    return tuple(_proved_in(runtime, original, converted, cases, limits, progress) for runtime in limits.prove_in)


def _proved_in(
    runtime: str,
    original: Model | None,
    converted: Model,
    cases: Sequence[Case],
    limits: Limits,
    progress: Progress,
) -> "ForeignResult":
    # installed apart, and loaded where it is asked for
    from zoosmith.validation.runtimes.pins import runtime_for
    from zoosmith.validation.runtimes.runner import start
    from zoosmith.validation.verification.other_runtimes import prove_in

    target = runtime_for(runtime)
    with start(target, timeout=limits.timeout or _TIMEOUT) as process, progress.task(f"{target}", len(cases)) as task:
        for case in cases:
            result = prove_in(
                target,
                original,
                converted,
                case.inputs,
                expected=case.outputs,
                process=process,
                rtol=limits.rtol,
                atol=limits.atol,
            )
            if result.outcome == "unjudged":
                raise ValidationError(
                    f"{target} cannot prove it: that runtime cannot do the original either: {result.reason}"
                )
            task.advance()
            if not result.passed:
                return with_sizes(result, case)
    return result


def with_sizes(result: "ForeignResult", case: Case) -> "ForeignResult":
    """Say of a case that a runtime does not run which sizes it has: old kernels refuse those that leave no element.

    Args:
        result: what became of the case there.
        case: what it was run on.
    """
    name = next((name for name, value in case.inputs.items() if np.ndim(value)), None)
    if result.outcome != "refused" or not case.sizes or name is None:
        return result
    example = argument("shapes", f"{name}={','.join(map(str, np.shape(case.inputs[name])))}")
    return replace(result, reason=f"{result.reason} (at {words_of(case.sizes)}; {example} states others)")


def _without_name(error: ValidationError, name: str) -> str:
    return str(error).removeprefix(f"{name}: ").removeprefix("ONNX Runtime cannot load it: ")


def _shape(value: Any) -> list[int]:
    return list(np.shape(value)) if not isinstance(value, (list, tuple)) else [len(value)]
