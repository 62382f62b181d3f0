"""A model's file in half precision: written, verified on samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onnx import ModelProto

from zoosmith.execution import SILENT, Progress
from zoosmith.files.calibration import Calibration, gather, made_up_source
from zoosmith.files.quantization import errors_of_file, refuse_wrong_feed
from zoosmith.files.writing import Written, write_verified
from zoosmith.onnx_model.files import refuse_replacing
from zoosmith.onnx_model.loading import load_model
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.saving import save_model
from zoosmith.opset_upgrade import convert_version
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.half_precision import OLDEST_OF_BFLOAT16, Half, to_half
from zoosmith.quantize.samples.seen_samples import state_digests
from zoosmith.quantize.selection import before_saturation, before_selection
from zoosmith.quantize.writing.half_weights_writer import BFLOAT16, FLOAT16
from zoosmith.validation import InputSource, Limits, Proof, compare, runner_for, verify_models
from zoosmith.validation.running.onnx_runtime import available_providers

# samples that choose what stays in float32, and that the result is verified on
_SAMPLES = 8
# of the values that float16 and bfloat16 keep 11 and 8 bits; errors of many layers add up
_LIMITS = {"float16": Limits(1e-2, 5e-2), "bfloat16": Limits(5e-2, 2e-1)}


@dataclass(frozen=True)
class Halved:
    """What became of a model.

    Attributes:
        written: the file and how it was verified; no file where a limit was not kept.
        kind: `float16` or `bfloat16`.
        calibrated_on: the samples on which it was decided what stays in float32.
        bytes: of the model.
        bytes_before: of the original.
        half: the model, and what stayed in float32.
    """

    written: Written
    kind: str
    calibrated_on: str
    bytes: int
    bytes_before: int
    half: Half

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "output": None if self.written.output is None else str(self.written.output),
            "to": self.kind,
            "calibrated_on": self.calibrated_on,
            "bytes": self.bytes,
            "bytes_before": self.bytes_before,
            "kept_in_float": list(self.half.kept),
            "layers": [layer.as_dict() for layer in self.half.layers],
            "proof": self.written.proof_as_dict(),
        }

    def __str__(self) -> str:
        kept = f", {len(self.half.kept)} values kept in float32" if self.half.kept else ""
        return f"{self.bytes:,} bytes of {self.bytes_before:,} in {self.kind}{kept}, {self.written.verified}"


class _Accepted:
    """Whether the outputs of a model are within limits of the original's.

    Args:
        original: the float32 model.
        samples: its inputs by name.
        limits: as for the verification.
        compared: a model -> the one whose outputs are compared.
    """

    def __init__(
        self, original: ModelProto, samples: Samples, limits: Limits, compared: Callable[[ModelProto], ModelProto]
    ) -> None:
        self._samples, self._limits, self._compared = samples, limits, compared
        runner = runner_for(compared(original))
        self._wanted = [runner.run(sample) for sample in samples]

    def __call__(self, model: ModelProto) -> bool:
        runner, limits = runner_for(self._compared(model)), self._limits
        return all(
            compare(wanted, runner.run(sample), rtol=limits.rtol, atol=limits.atol).passed
            for wanted, sample in zip(self._wanted, self._samples, strict=True)
        )


def halve_file(
    source: Path,
    output: Path,
    kind: str,
    calibration: Calibration,
    *,
    inputs: InputSource | None = None,
    limits: Limits | None = None,
    prove_in: tuple[str, ...] = (),
    providers: Sequence[str] | None = None,
    progress: Progress = SILENT,
) -> Halved:
    """Write a model in half precision; its inputs and outputs keep their types.

    Args:
        source: the ONNX file, in float32.
        output: the file to write.
        kind: `float16` or `bfloat16`.
        calibration: samples on which it is decided what stays in float32; random ones by default where nothing is made
            up for the model.
        inputs: seed and sizes of random samples.
        limits: how far the outputs on the samples may be from the original's; nothing is written where they are
            farther. By default 1 % and 0.05 standard deviations, 5 % and 0.2 for bfloat16; in float16 of what a Sigmoid
            or Softmax reads, where it makes an output. Boxes and integers are compared by what they are selected from.
        prove_in: other runtimes that the result has to run and agree in, as those of `Limits`.
        providers: execution providers of ONNX Runtime for the verification.
        progress: notified of every stage.

    Returns:
        The model with what stayed in float32, and the file with how it was verified. Where a limit is exceeded, no file
        is written.

    Raises:
        ZoosmithError: the model or the samples cannot be read, converted or run; the file cannot be written.
    """
    inputs = inputs or InputSource()
    refuse_replacing(output, [source])
    if providers:
        available_providers(providers)
    original = load_model(source)
    own = limits is None and kind == FLOAT16
    limits = replace(limits or _LIMITS[kind], prove_in=prove_in)

    def compared(model: ModelProto) -> ModelProto:
        model = before_selection(model)
        return before_saturation(model) if own else model

    if calibration.source is None:
        with errors_of_file(original, source, calibration, inputs):
            if made_up_source(original, inputs) is None:
                calibration = replace(calibration, source="random")
    with errors_of_file(original, source, calibration, inputs):
        refuse_wrong_feed(original, inputs)
        gathered = gather(original, replace(calibration, samples=_SAMPLES), inputs, progress)
        float_source = _raised(original, kind, source, progress)
        state_digests(float_source, gathered.seen)
        accepted = _Accepted(original, gathered.samples[:_SAMPLES], limits, compared)
        half = to_half(float_source, gathered.samples, kind, accepted=accepted, progress=progress)
    as_it_is = compared(original) is original

    def prove(path: Path, check: Callable[[], None]) -> Proof:
        return verify_models(
            source if as_it_is else compared(original),
            path if as_it_is else compared(load_model(path)),
            inputs=inputs,
            given=None if inputs.feed is not None else gathered.samples[:_SAMPLES],
            source=f"samples of {gathered.source}" if inputs.feed is None else str(inputs),
            limits=limits,
            providers=providers,
            result_structure=half.model if as_it_is else None,
            meanwhile=check,
            progress=progress,
        )

    written = write_verified(output, lambda path: save_model(half.model, path), source, prove, optional=False)
    return Halved(written, kind, gathered.source, half.model.ByteSize(), original.ByteSize(), half)


def _raised(model: ModelProto, kind: str, source: Path, progress: Progress) -> ModelProto:
    opset = default_opset(model)
    if kind != BFLOAT16 or opset is None or opset >= OLDEST_OF_BFLOAT16:
        return model
    progress.note(f"{source}: opset {opset} raised to {OLDEST_OF_BFLOAT16}, whose Cast takes bfloat16")
    return convert_version(model, OLDEST_OF_BFLOAT16)
