"""Verification of ONNX models that were made of other ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from onnx import ModelProto

from zoosmith.execution import SILENT, Job, Progress
from zoosmith.onnx_model.loading import Model, load_structure
from zoosmith.validation.inputs.fitting import Case, fed_cases, fitting_cases
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.running.choice import runner_for
from zoosmith.validation.running.clock import Clock, finished
from zoosmith.validation.running.runner import Runner, Runtime
from zoosmith.validation.verification.ahead import is_small
from zoosmith.validation.verification.proof import Limits, Proof
from zoosmith.validation.verification.proving import converted_runner, prove, proved_elsewhere
from zoosmith.validation.verification.randomness import refuse_random


def verify_models(
    original: Model,
    converted: Model,
    *,
    inputs: InputSource | None = None,
    given: Sequence[Mapping[str, Any]] | None = None,
    source: str | None = None,
    cases: int = 2,
    limits: Limits | None = None,
    providers: Sequence[str] | None = None,
    structure: ModelProto | None = None,
    result_structure: ModelProto | None = None,
    ahead: Job[Runner] | None = None,
    meanwhile: Callable[[], None] | None = None,
    progress: Progress = SILENT,
) -> Proof:
    """Verify an ONNX model that was made of another one.

    Large models are loaded one after the other, so that never both are in memory. Where ONNX Runtime ran the original,
    it has to run what was made as well, unless it lacks the opset.

    Args:
        original: the model as it was; a large one as a path.
        converted: what it became; its inputs and outputs have the same names.
        inputs: where they come from; random ones by default.
        given: the inputs themselves, instead.
        source: where these come from, in words.
        cases: how many random inputs.
        limits: what is accepted.
        providers: execution providers of ONNX Runtime, as OnnxRuntimeRunner takes them.
        structure: the original's graph, where it has been read already.
        result_structure: that of what was made, where it is at hand.
        ahead: loads the original already, see `loading_ahead`.
        meanwhile: called while the models are loaded and the original runs; what it raises ends the verification.
        progress: told of each case.

    Returns:
        The proof: what ran each side, on which inputs, and how far outputs differ. Models that differ are no error:
        `passed` is false then.

    Raises:
        StoppedError: the time is up.
        ValidationError: the original cannot be run, or draws random numbers.
    """
    inputs, limits = inputs or InputSource(), limits or Limits()
    structure = load_structure(original) if structure is None else structure
    refuse_random(structure)

    def draw(run: Callable[[Mapping[str, Any]], dict[str, Any]]) -> list[Case]:
        if given is not None:
            return fed_cases(run, [dict(case) for case in given])
        if inputs.feed is not None:
            return fed_cases(run, inputs.cases(structure))
        return fitting_cases(structure, run, inputs, cases)

    clock = Clock(limits.timeout)

    def make_original() -> Runner:
        if ahead is None:
            return runner_for(original, providers=providers, few_runs=True, timeout=clock.left(), structure=structure)
        return finished(ahead, clock)

    def make_converted(before: Callable[[], Runtime]) -> Runner:
        return converted_runner(converted, before, providers, clock.left(), result_structure)

    proof, drawn = prove(
        make_original,
        make_converted,
        draw,
        source or str(inputs),
        limits,
        clock,
        together=ahead is not None or is_small(original, structure),
        meanwhile=meanwhile,
        progress=progress,
    )
    if proof.passed:
        return replace(proof, elsewhere=proved_elsewhere(original, converted, drawn, limits, progress))
    if proof.failure is None:
        # most verifications end without one
        from zoosmith.validation.verification.difference import first_difference

        failed = drawn[len(proof.comparisons) - 1].inputs
        return replace(proof, first_difference=first_difference(original, converted, failed, limits, clock.left))
    return proof
