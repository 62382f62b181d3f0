"""Verification of ONNX models that were made of Caffe2 nets: the net runs in the interpreter."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
from onnx import ModelProto

from zoosmith.convert import NetSource, read_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.execution import SILENT, Progress, Task
from zoosmith.onnx_model.loading import Model, load_structure
from zoosmith.onnx_model.ports import required_inputs
from zoosmith.validation.inputs.fitting import Case, fed_cases, fitting_cases
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.interpreter import NetInterpreter, interpret
from zoosmith.validation.running.clock import Clock
from zoosmith.validation.running.runner import Runtime
from zoosmith.validation.running.stopping import run_apart
from zoosmith.validation.verification.ahead import is_small
from zoosmith.validation.verification.proof import Limits, Proof
from zoosmith.validation.verification.proving import converted_runner, prove, proved_elsewhere

# operators whose third input is (height, width, scale) of each image
_WITH_IMAGE_SIZES = {"GenerateProposals", "GenerateProposalsCPP", "BBoxTransform"}
_IMAGE_SIZE = 320
# a run that computes so many numbers takes long, and is evidence enough without another one
_ENOUGH_NUMBERS = 10**9
_LONG_SECONDS = 2.0


def verify_net(
    predict_net: NetSource,
    init_net: NetSource | None,
    model: Model,
    *,
    names: str,
    outputs: Sequence[str] | None = None,
    inputs: InputSource | None = None,
    cases: int = 2,
    limits: Limits | None = None,
    providers: Sequence[str] | None = None,
    structure: ModelProto | None = None,
    meanwhile: Callable[[], None] | None = None,
    progress: Progress = SILENT,
) -> Proof:
    """Verify an ONNX model that was made of a Caffe2 net.

    Args:
        predict_net: the net.
        init_net: its parameters.
        model: what it became.
        names: the style of names the model was converted with, as `caffe2_to_onnx` takes it.
        outputs: the blobs that became the model's outputs, in order; by default the net's external outputs.
        inputs: where they come from; random ones by default.
        cases: how many random inputs at most; one alone where a run computes 10⁹ numbers and more.
        limits: what is accepted.
        providers: execution providers of ONNX Runtime, which runs the model.
        structure: the model's graph, where it is at hand.
        meanwhile: called while the models are loaded; what it raises ends the verification.
        progress: told of each case.

    Returns:
        The proof: what ran each side, on which inputs, and how far outputs differ. A model that differs is no error:
        `passed` is false then.

    Raises:
        StoppedError: the time is up.
        ValidationError: the net cannot be run on such inputs.
    """
    inputs, limits = inputs or InputSource(), limits or Limits()
    structure = load_structure(model) if structure is None else structure
    original = NetDef()
    original.CopyFrom(read_net(predict_net))
    if outputs is not None:
        del original.external_output[:]
        original.external_output.extend(outputs)
    net = _Net(original, None if init_net is None else read_net(init_net), structure, names, progress)

    def draw(run: Callable[[Mapping[str, Any]], dict[str, Any]]) -> list[Case]:
        if inputs.feed is not None:
            return fed_cases(run, inputs.cases(structure))
        drawn = fitting_cases(
            structure,
            lambda made: run(net.with_image_sizes(made)),
            inputs,
            cases,
            # boxes without an extent: rounding decides which of them are kept
            corners=not net.finds_boxes,
            enough=lambda: net.computed >= _ENOUGH_NUMBERS,
        )
        return [replace(case, inputs=net.with_image_sizes(case.inputs)) for case in drawn]

    clock = Clock(limits.timeout)
    proof, drawn = prove(
        lambda: net,
        lambda before: converted_runner(model, before, providers, clock.left(), structure),
        draw,
        str(inputs),
        limits,
        clock,
        together=is_small(model, structure),
        meanwhile=meanwhile,
        progress=progress,
    )
    if not proof.passed:
        return proof
    return replace(proof, elsewhere=proved_elsewhere(None, model, drawn, limits, progress))


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


class _LongRun:
    """Tells of the operators of one run, once it has taken longer than most runs do."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._begin = time.monotonic()
        self._task: Task | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._task is None and time.monotonic() - self._begin > _LONG_SECONDS:
            self._task = self._progress.task("computing the net", total)
        if self._task is not None:
            self._task.advance(steps=done - self._task.done)

    def __enter__(self) -> "_LongRun":
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.close()


class _Net:
    """A Caffe2 net, run by the interpreter under the names of the model that was made of it."""

    def __init__(self, net: NetDef, init: NetDef | None, model: ModelProto, names: str, progress: Progress) -> None:
        self.name = net.name or "net"
        self.runtime = Runtime("zoosmith's interpreter of Caffe2 nets", version("zoosmith"))
        self.output_names = [value.name for value in model.graph.output]
        self.computed = 0
        self._net = net
        self._init = init
        self._progress = progress
        self._interpreter: NetInterpreter | None = None
        self.finds_boxes = any(op.type in _WITH_IMAGE_SIZES for op in net.op)
        zoo = names == "zoo"
        self._blobs = {
            value.name: value.name.removesuffix("_0") if zoo else value.name for value in required_inputs(model.graph)
        }

    def with_image_sizes(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return with_image_sizes(self._net, self._blobs, inputs)

    def run(self, inputs: Mapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        fed = {self._blobs[name]: array for name, array in inputs.items()}
        if timeout is None:
            self._interpreter = self._interpreter or NetInterpreter(self._net, self._init)
            with _LongRun(self._progress) as told:
                outputs = self._interpreter.run(fed, told=told)
            self.computed = self._interpreter.computed
        else:
            # messages cannot be pickled
            init = None if self._init is None else self._init.SerializeToString()
            outputs = run_apart(self.name, timeout, interpret, self._net.SerializeToString(), init, fed)
        return {name: outputs[blob] for name, blob in zip(self.output_names, self._net.external_output, strict=True)}
