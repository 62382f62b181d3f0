"""Whether a converted model computes the same in the runtime that it is for as the original does in the newest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoosmith.onnx_model.loading import Model, load_model, model_name
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.running.choice import runner_for
from zoosmith.validation.runtimes.pins import PinnedRuntime, runtime_for
from zoosmith.validation.runtimes.process import WorkerProcess
from zoosmith.validation.runtimes.runner import ForeignRunner
from zoosmith.validation.runtimes.targets import targets
from zoosmith.validation.verification.comparison import Comparison, compare


@dataclass(frozen=True)
class ForeignResult:
    """What became of a converted model in a foreign runtime.

    Attributes:
        runtime: the runtime, as `onnxruntime==1.6.0`.
        versions: the versions that it reported of itself, of numpy and of Python; empty where it did not start.
        outcome: `verified` (it ran and agrees); `differs`; `refused` (the runtime cannot load or run it);
            `unjudged` (the runtime cannot do the original either, so nothing is said of the conversion).
        reason: one line, None where verified.
        comparison: of the outputs, None where the runtime gave none.
    """

    runtime: str
    versions: dict[str, str]
    outcome: str
    reason: str | None = None
    comparison: Comparison | None = None

    @property
    def passed(self) -> bool:
        """Whether the converted model ran there and agrees."""
        return self.outcome == "verified"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "runtime": self.runtime,
            "versions": self.versions,
            "outcome": self.outcome,
            "reason": self.reason,
            "comparison": self.comparison and self.comparison.as_dict(),
        }

    def __str__(self) -> str:
        if self.outcome == "verified":
            return f"verified in {self.runtime}, {self.comparison}"
        if self.outcome == "unjudged":
            return f"not judged in {self.runtime}, which cannot do the original either: {self.reason}"
        return f"{self.outcome} in {self.runtime}: {self.reason}"


def prove_in(
    runtime: str | PinnedRuntime,
    original: Model | None,
    converted: Model,
    inputs: Mapping[str, Any],
    *,
    expected: Mapping[str, Any] | None = None,
    process: WorkerProcess | None = None,
    rtol: float = 1e-3,
    atol: float = 1e-5,
    timeout: float = 600.0,
    memory: int | None = None,
) -> ForeignResult:
    """Run a converted model in a foreign runtime and compare it with the original in the newest ONNX Runtime.

    Where a runtime that is not ONNX Runtime fails or differs, it is given the original too: what it cannot do with that
    one either is `unjudged`.

    Args:
        runtime: the runtime, as `onnxruntime==1.6.0`; it must be installed.
        original: the model as it was; None where it is no ONNX model, `expected` is needed then.
        converted: what it became; inputs and outputs have the same names.
        inputs: one value for each input.
        expected: the original's outputs, where they are known already.
        process: a process of that runtime to use, see `ForeignRunner`.
        rtol: relative limit, as `compare` takes it.
        atol: limit in standard deviations of the output, as `compare` takes it.
        timeout: seconds that loading, and running, may take there.
        memory: bytes of address space that the runtime's process may have.

    Returns:
        What became of the converted model there; a runtime that refuses it is no error.

    Raises:
        ValidationError: the runtime is not installed, or the original cannot be run here.
    """
    target = runtime_for(runtime) if isinstance(runtime, str) else runtime
    if expected is None:
        if original is None:
            raise ValueError("neither the original nor its outputs are given")
        expected = runner_for(original).run(inputs)

    def outcome(model: Model) -> ForeignResult:
        return _run(target, model, inputs, expected, process, rtol, atol, timeout, memory)

    result = outcome(converted)
    if result.passed or original is None or target.name == "onnxruntime":
        return result
    with_original = outcome(original)
    if with_original.passed:
        return result
    return ForeignResult(str(target), result.versions, "unjudged", with_original.reason, result.comparison)


def _run(
    target: PinnedRuntime,
    model: Model,
    inputs: Mapping[str, Any],
    expected: Mapping[str, Any],
    process: WorkerProcess | None,
    rtol: float,
    atol: float,
    timeout: float,
    memory: int | None,
) -> ForeignResult:
    versions: dict[str, str] = {}
    try:
        # one that the last model stopped answers no more
        usable = None if process is None or process.ended else process
        with ForeignRunner(target, model, process=usable, timeout=timeout, memory=memory) as runner:
            versions = runner.versions
            actual = runner.run(inputs)
    except ValidationError as error:
        reason = str(error).removeprefix(f"{model_name(model)}: ").removeprefix(f"{target}: ")
        return ForeignResult(str(target), versions, "refused", _newer_ir(target, model) or reason)
    if target.name != "onnxruntime":
        actual = {name: _as_stated(value, expected.get(name)) for name, value in actual.items()}
    comparison = compare(expected, actual, rtol=rtol, atol=atol)
    outcome = "verified" if comparison.passed else "differs"
    return ForeignResult(str(target), versions, outcome, comparison.reason, comparison)


def _newer_ir(runtime: PinnedRuntime, model: Model) -> str | None:
    """What an old runtime does not say clearly of a file that is too new for it."""
    highest = next((row.ir for row in targets() if str(row) == str(runtime)), None)
    ir = load_model(model, external_data=False).ir_version
    if highest is None or ir <= highest:
        return None
    return f"the file has IR version {ir}, this runtime loads up to {highest}"


def _as_stated(value: Any, expected: Any) -> Any:
    """An output in the type that the model states: other runtimes compute integers and booleans in types of theirs."""
    if not isinstance(value, np.ndarray) or not isinstance(expected, np.ndarray) or value.dtype == expected.dtype:
        return value
    try:
        with np.errstate(all="ignore"):
            cast = value.astype(expected.dtype)
            exact = np.array_equal(cast.astype(value.dtype), value) or expected.dtype.kind == "f"
    except (TypeError, ValueError):
        return value
    return cast if exact else value
