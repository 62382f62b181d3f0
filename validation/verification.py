"""Verification: the original and what was made of it run on the same inputs, and the outputs are compared."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, ValueInfoProto

from zoosmith.convert import NetSource, read_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.loading import Model
from zoosmith.onnx_model.ports import input_ports, required_inputs, symbolic_sizes
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.validation.comparison import Comparison, compare
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.inputs import InputSource
from zoosmith.validation.interpreter import interpret
from zoosmith.validation.runners import Runner, Runtime, run_apart, runner_for
from zoosmith.validation.runtimes.pins import runtime_for
from zoosmith.validation.runtimes.proving import ForeignResult, prove_in
from zoosmith.validation.runtimes.runner import start

_RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
# a batch of one would hide what a wrong batch does
_SYMBOLIC_SIZE = 2
# operators whose third input is (height, width, scale) of each image
_WITH_IMAGE_SIZES = {"GenerateProposals", "GenerateProposalsCPP", "BBoxTransform"}
_IMAGE_SIZE = 320
# seconds that another runtime may take where no limit is given
_TIMEOUT = 600.0


@dataclass(frozen=True)
class Limits:
    """What a verification accepts.

    Attributes:
        rtol: relative limit, as `compare` takes it.
        atol: limit in standard deviations of the output, as `compare` takes it.
        timeout: seconds after which one run is stopped; None to let it run.
        prove_in: other runtimes, as `onnxruntime==1.6.0`, in which what was made has to run and agree as well.
    """

    rtol: float = 1e-3
    atol: float = 1e-5
    timeout: float | None = None
    prove_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proof:
    """The record of one verification.

    Attributes:
        original: the runtime that ran the original.
        converted: the runtime that ran what was made of it.
        source: where the inputs came from, in words.
        shapes: of the inputs of each run, by name.
        comparisons: of the outputs of each run; where one differs, it is the last.
        limits: what was accepted.
        first_difference: the first node of the original whose output differs, in words; None if none does or it is not
            known.
        elsewhere: what became of the model in other runtimes, of each the last run.
    """

    original: Runtime
    converted: Runtime
    source: str
    shapes: tuple[Mapping[str, list[int]], ...]
    comparisons: tuple[Comparison, ...]
    limits: Limits
    first_difference: str | None = None
    elsewhere: tuple[ForeignResult, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the outputs of every run, in every runtime, are inside the limits."""
        here = all(comparison.passed for comparison in self.comparisons)
        return here and all(result.passed for result in self.elsewhere)

    @property
    def largest_error(self) -> float | None:
        """The largest absolute error of all runs; None where nothing has one (integers)."""
        return max((c.max_abs for c in self.comparisons if c.max_abs is not None), default=None)

    @property
    def verdict(self) -> str:
        """`equal`, `close` (inside the limits), `differs`, or `refused` where another runtime does not take it."""
        failed = [result.outcome for result in self.elsewhere if not result.passed]
        if failed:
            return failed[0]
        if not self.passed:
            return "differs"
        return "close" if self.largest_error else "equal"

    @property
    def reason(self) -> str | None:
        """Why it differs; None if it does not."""
        reasons = [comparison.reason for comparison in self.comparisons if not comparison.passed]
        return next(iter([*reasons, *(result.reason for result in self.elsewhere if not result.passed)]), None)

    def __str__(self) -> str:
        for result in self.elsewhere:
            if not result.passed:
                return f"fails in {result.runtime}: {result.reason}"
        return "; ".join([self._here(), *map(str, self.elsewhere)])

    def _here(self) -> str:
        if not self.passed:
            where = f"; the first node that differs is {self.first_difference}" if self.first_difference else ""
            return f"differs: {self.reason}{where}"
        if self.verdict == "equal":
            return "verified, equal"
        return f"verified, close: largest error {self.largest_error:.3g}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "verdict": self.verdict,
            "passed": self.passed,
            "largest_error": self.largest_error,
            "reason": self.reason,
            "first_difference": self.first_difference,
            "elsewhere": [result.as_dict() for result in self.elsewhere],
            "original": {"runtime": self.original.name, "version": self.original.version},
            "converted": {"runtime": self.converted.name, "version": self.converted.version},
            "inputs": self.source,
            "shapes": [dict(shapes) for shapes in self.shapes],
            "rtol": self.limits.rtol,
            "atol": self.limits.atol,
        }


def verify(
    original: Runner,
    converted: Runner,
    cases: Sequence[Mapping[str, Any]],
    *,
    source: str,
    limits: Limits | None = None,
    progress: Progress = SILENT,
) -> Proof:
    """Run both sides on the same inputs and compare their outputs by name, up to the first case that differs.

    Args:
        original: what ran before.
        converted: what was made of it, with the same names of inputs and outputs.
        cases: inputs by name, for one run each.
        source: where these come from, in words, for the proof.
        limits: what is accepted; those of `Limits` by default.
        progress: notified of each case.

    Raises:
        ValidationError: one of the two cannot be run on these inputs, or was stopped.
    """
    limits = limits or Limits()
    comparisons: list[Comparison] = []
    with progress.task("verifying", len(cases)) as task:
        for inputs in cases:
            expected = original.run(inputs, timeout=limits.timeout)
            actual = converted.run(inputs, timeout=limits.timeout)
            comparisons.append(compare(expected, actual, rtol=limits.rtol, atol=limits.atol))
            task.advance()
            if not comparisons[-1].passed:
                break
    shapes = tuple({name: _shape(value) for name, value in inputs.items()} for inputs in cases[: len(comparisons)])
    return Proof(original.runtime, converted.runtime, source, shapes, tuple(comparisons), limits)


def verify_models(
    original: ModelProto,
    converted: ModelProto,
    *,
    inputs: InputSource | None = None,
    cases: int = 1,
    limits: Limits | None = None,
    providers: Sequence[str] | None = None,
    folder: Path | None = None,
    progress: Progress = SILENT,
) -> Proof:
    """Verify an ONNX model that was made of another one.

    Args:
        original: the model as it was.
        converted: what it became; its inputs and outputs have the same names.
        inputs: where they come from; random ones by default.
        cases: how many random inputs.
        limits: what is accepted.
        providers: execution providers of ONNX Runtime, as OnnxRuntimeRunner takes them.
        folder: where files of external data lie, if the models have any; both are then run from files in it.
        progress: notified of each case.

    Raises:
        ValidationError: the models cannot be compared: one cannot be run, was stopped, or draws random numbers.
    """
    inputs, limits = inputs or InputSource(), limits or Limits()
    drawing = sorted({node.op_type for node in all_nodes(original) if not node.domain and node.op_type in _RANDOM})
    if drawing:
        raise ValidationError(f"it draws random numbers ({', '.join(drawing)}), so two runs differ")
    made = inputs.cases(original, cases)
    run = _Pair(folder, providers)
    with run.sources(original, converted) as sources:
        before, after = map(run.runner, sources)
        proof = verify(before, after, made, source=str(inputs), limits=limits, progress=progress)
        if proof.passed:
            return replace(proof, elsewhere=_elsewhere(*sources, before, made, limits, progress))
    failed = made[len(proof.comparisons) - 1]
    return replace(proof, first_difference=_first_difference(original, converted, failed, run, limits))


def verify_net(
    predict_net: NetSource,
    init_net: NetSource | None,
    model: ModelProto,
    *,
    names: str,
    inputs: InputSource | None = None,
    limits: Limits | None = None,
    progress: Progress = SILENT,
) -> Proof:
    """Verify an ONNX model that was made of a Caffe2 net.

    Args:
        predict_net: the net.
        init_net: its parameters.
        model: what it became.
        names: the style of names the model was converted with, as `caffe2_to_onnx` takes it.
        inputs: where they come from; random ones by default, with symbolic sizes taken as 2.
        limits: what is accepted.
        progress: notified of each case.

    Raises:
        ValidationError: one of the two cannot run on such inputs (a model that only newer runtimes know, a net whose
            indices must stay in a range), or was stopped.
    """
    inputs = inputs or InputSource()
    source = _Net(read_net(predict_net), None if init_net is None else read_net(init_net), model, names)
    if inputs.feed is None:
        symbols = dict.fromkeys(sorted(symbolic_sizes(input_ports(model.graph))), _SYMBOLIC_SIZE)
        cases = replace(inputs, dims={**symbols, **inputs.dims}).cases(model)
        cases = [with_image_sizes(source.net, source.blobs, case) for case in cases]
    else:
        cases = inputs.cases(model)
    limits = limits or Limits()
    proof = verify(source, runner_for(model), cases, source=str(inputs), limits=limits, progress=progress)
    if not proof.passed:
        return proof
    return replace(proof, elsewhere=_elsewhere(None, model, source, cases, limits, progress))


def with_image_sizes(net: NetDef, blobs: Mapping[str, str], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Put the image's size where detection operators read it from an input: in one of a random size no box is found.

    Args:
        net: whose operators read it.
        blobs: the blob of each input.
        inputs: values by the names of the inputs.
    """
    sizes = {op.input[2] for op in net.op if op.type in _WITH_IMAGE_SIZES and len(op.input) > 2}
    images = [array.shape[2:] for array in inputs.values() if np.ndim(array) == 4 and array.shape[1] == 3]
    row = np.array([*(images[0] if images else (_IMAGE_SIZE, _IMAGE_SIZE)), 1], np.float32)
    return {
        name: np.tile(row, (len(array), 1)) if blobs.get(name, name) in sizes else array
        for name, array in inputs.items()
    }


class _Net:
    """A Caffe2 net, run by the interpreter under the names of the model that was made of it."""

    def __init__(self, net: NetDef, init: NetDef | None, model: ModelProto, names: str) -> None:
        self.name = net.name or "net"
        self.runtime = Runtime("zoosmith's interpreter of Caffe2 nets", version("zoosmith"))
        self.output_names = [value.name for value in model.graph.output]
        self.net = net
        self._init = init
        zoo = names == "zoo"
        self.blobs = {
            value.name: value.name.removesuffix("_0") if zoo else value.name for value in required_inputs(model.graph)
        }

    def run(self, inputs: Mapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        fed = {self.blobs[name]: array for name, array in inputs.items()}
        if timeout is None:
            computed = interpret(self.net, self._init, fed)
        else:
            # messages cannot be pickled
            init = None if self._init is None else self._init.SerializeToString()
            computed = run_apart(self.name, timeout, interpret, self.net.SerializeToString(), init, fed)
        return {name: computed[blob] for name, blob in zip(self.output_names, self.net.external_output, strict=True)}


class _Pair:
    """Makes the runners of both models: of messages, or of files beside their external data."""

    def __init__(self, folder: Path | None, providers: Sequence[str] | None) -> None:
        self._folder = folder
        self._providers = providers

    @contextmanager
    def sources(self, original: ModelProto, converted: ModelProto) -> Iterator[tuple[Model, Model]]:
        if self._folder is None:
            yield original, converted
            return
        paths: list[Path] = []
        try:
            for model in (original, converted):
                # tensors in files are found from the model's own folder
                with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".onnx", delete=False) as file:
                    paths.append(Path(file.name))
                    file.write(model.SerializeToString())
            yield paths[0], paths[1]
        finally:
            for path in paths:
                path.unlink()

    def runner(self, model: Model) -> Runner:
        return runner_for(model, providers=self._providers)


def _elsewhere(
    original: Model | None,
    converted: Model,
    before: Runner,
    cases: Sequence[Mapping[str, Any]],
    limits: Limits,
    progress: Progress,
) -> tuple[ForeignResult, ...]:
    """Prove what was made in each other runtime, up to the first case that fails there."""
    return tuple(
        _proved_in(runtime, original, converted, before, cases, limits, progress) for runtime in limits.prove_in
    )


def _proved_in(
    runtime: str,
    original: Model | None,
    converted: Model,
    before: Runner,
    cases: Sequence[Mapping[str, Any]],
    limits: Limits,
    progress: Progress,
) -> ForeignResult:
    target = runtime_for(runtime)
    with start(target, timeout=limits.timeout or _TIMEOUT) as process, progress.task(f"{target}", len(cases)) as task:
        for inputs in cases:
            result = prove_in(
                target,
                original,
                converted,
                inputs,
                expected=before.run(inputs, timeout=limits.timeout),
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
                break
    return result


def _first_difference(
    original: ModelProto, converted: ModelProto, inputs: Mapping[str, Any], run: _Pair, limits: Limits
) -> str | None:
    made = {name for node in converted.graph.node for name in node.output if name}
    shared = [(name, node) for node in original.graph.node for name in node.output if name in made]
    try:
        with run.sources(_showing(original, shared), _showing(converted, shared)) as sources:
            expected, actual = (run.runner(side).run(inputs, timeout=limits.timeout) for side in sources)
    except ValidationError:  # a runner may refuse values as outputs that it can compute with
        return None
    for name, node in shared:
        if not compare({name: expected[name]}, {name: actual[name]}, rtol=limits.rtol, atol=limits.atol).passed:
            return f"{node.name or 'unnamed'} ({node.op_type}), output {name!r}"
    return None


def _showing(model: ModelProto, values: Iterable[tuple[str, NodeProto]]) -> ModelProto:
    """The model with more of its values among the outputs."""
    shown = ModelProto()
    shown.CopyFrom(model)
    already = {value.name for value in model.graph.output}
    shown.graph.output.extend(ValueInfoProto(name=name) for name, _ in values if name not in already)
    return shown


def _shape(value: Any) -> list[int]:
    return list(np.shape(value)) if not isinstance(value, (list, tuple)) else [len(value)]
