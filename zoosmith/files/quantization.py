"""A model's file in integers: calibrated, held to a limit of accuracy, measured, written."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto

from zoosmith.execution import SILENT, Progress
from zoosmith.files.calibration import Calibration, explained, gather
from zoosmith.files.opset_conversion import Wanted, chosen_opset, converted
from zoosmith.files.writing import Written, write_verified
from zoosmith.onnx_model.files import refuse_replacing
from zoosmith.onnx_model.loading import model_name
from zoosmith.onnx_model.mapped import load_mapped, loaded
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.saving import save_model
from zoosmith.opset_upgrade import OpsetError, convert_version
from zoosmith.opset_upgrade import summarize as summarize_caveats
from zoosmith.quantize import QuantizeError, quantize_within
from zoosmith.quantize.layer import Layer
from zoosmith.quantize.quantizer import refuse_quantized
from zoosmith.quantize.report import Summary, summarize
from zoosmith.quantize.runtime_kernels import FIRST_RELEASES, UINT8_MAX, has_release
from zoosmith.quantize.samples.held_out import most_compared, split, with_held_out
from zoosmith.quantize.samples.reading import sorts_of
from zoosmith.quantize.samples.seen_samples import refuse_seen, state_digests, stated_digests
from zoosmith.quantize.samples.statistics import SampleDistance
from zoosmith.quantize.similarity import CosineLoss
from zoosmith.quantize.target import INTEGER, OLDEST_OPSET, Target
from zoosmith.validation import (
    ImageFolder,
    InputSource,
    Limits,
    Proof,
    ValidationError,
    evaluate,
    verify_models,
)
from zoosmith.validation.reading.preprocess import ToArray
from zoosmith.validation.running.onnx_runtime import available_providers, onnx_runtime

# what older models are raised to: the first opset whose MaxPool takes integers
_RAISED_TO = 12
# what a quantized model keeps of the float one's outputs where no other limit is given
MIN_COSINE = 0.99
# samples that a limit is verified on
_VERIFIED = 8


@dataclass(frozen=True)
class Accuracy:
    """What a model in integers keeps of the float one's outputs, and what is measured for that.

    Attributes:
        max_drop: the largest relative drop of top-1 on `data`; layers stay in float until it is kept. None for any.
        data: labelled images to measure the drop on; None to measure cosines instead.
        min_cosine: the smallest cosine between the outputs of both models on samples that are held out, its standard
            error taken off; layers stay in float until it is kept, and where that does not help the best model is
            written. Not with `data`, where the drop counts.
        keep_float: how many of the layers that cost most stay in float in any case.
        rank: measure what each layer alone costs even where nothing is chosen by it.
    """

    max_drop: float | None = None
    data: ImageFolder | None = None
    min_cosine: float = MIN_COSINE
    keep_float: int = 0
    rank: bool = False


@dataclass(frozen=True)
class Quantized:
    """What became of a model.

    Attributes:
        written: the file and how it was verified; no file where a limit was not kept.
        samples: how many were calibrated on.
        compared_on: what `summary` compares the outputs on: how many samples, and whether they were calibrated on.
        calibrated_on: their source, as `Calibration` has it.
        unreadable: how many images could not be read.
        distance: of the samples from the training data; None where the model states nothing of that.
        summary: sizes, counts and the error on the samples.
        kept: layers that stayed in float.
        drop: relative drop of top-1; None where it was not measured.
        max_drop: the largest one that was allowed.
        min_cosine: the smallest cosine that was wanted.
        layers: the integer layers.
        target: the form of the file.
    """

    written: Written
    samples: int
    compared_on: str
    calibrated_on: str
    unreadable: int
    distance: SampleDistance | None
    summary: Summary
    kept: tuple[str, ...]
    drop: float | None
    max_drop: float
    min_cosine: float
    layers: tuple[Layer, ...]
    target: Target

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "output": None if self.written.output is None else str(self.written.output),
            "for": None if self.target.runtime is None else str(self.target.runtime),
            "samples": self.samples,
            "compared_on": self.compared_on,
            "calibrated_on": self.calibrated_on,
            "unreadable": self.unreadable,
            "sample_distance": None if self.distance is None else asdict(self.distance),
            **self.summary.as_dict(),
            "kept_in_float": list(self.kept),
            "relative_top1_drop": self.drop,
            "layers": [layer.as_dict() for layer in self.layers],
            "proof": self.written.proof_as_dict(),
        }


def quantize_file(
    source: Path,
    output: Path,
    calibration: Calibration,
    accuracy: Accuracy | None = None,
    *,
    target: Target = INTEGER,
    inputs: InputSource | None = None,
    limits: Limits | None = None,
    providers: Sequence[str] | None = None,
    progress: Progress = SILENT,
) -> Quantized:
    """Write a model of integer operators.

    Args:
        source: the ONNX file, in float32.
        output: the file to write.
        calibration: what ranges are measured on.
        accuracy: what the outputs keep; by default their cosine is at least 0.99.
        target: the form of the file.
        inputs: seed and sizes of random samples; a feed is what is verified on, by default the samples are.
        limits: how far the integer model may be from the original; nothing is written where it is farther. By default
            any error is accepted, and nothing is verified.
        providers: execution providers of ONNX Runtime for the verification and the drop; ranges are measured on the
            CPU, so that the file is the same everywhere.
        progress: notified of every stage.

    Returns:
        The file with how it was verified, and what was measured. Where a limit is exceeded, no file is written.

    Raises:
        ZoosmithError: the model or the samples cannot be read, quantized or run; the file cannot be written.
    """
    inputs, accuracy = inputs or InputSource(), accuracy or Accuracy()
    _refuse_unmeasurable(target)
    refuse_replacing(output, [source])
    if providers:
        available_providers(providers)
    labelled, max_drop = accuracy.data, 1.0 if accuracy.max_drop is None else accuracy.max_drop
    original = load_mapped(source)
    with errors_of_file(original, source, calibration, inputs):
        refuse_quantized(original)
        refuse_wrong_feed(original, inputs)
        integer_source = _fitting(original, target, source, progress)
        gathered = gather(original, calibration, inputs, progress, count=with_held_out)
        if labelled is not None:
            refuse_seen(original, gathered.seen | stated_digests(original), labelled, gathered.to_array, inputs)
        state_digests(integer_source, gathered.seen)
        parts = split(gathered.samples, gathered.source, most_compared(original, gathered.samples))
        drop_of = (
            CosineLoss(
                original,
                parts.compared,
                parts.more,
                sorts=sorts_of(parts.compared),
                node_by_node=target.format == "qdq",
            )
            if labelled is None
            else _drop(original, labelled, gathered.to_array, inputs, providers)
        )
        result = quantize_within(
            integer_source,
            parts.calibrated,
            drop_of,
            max_drop if labelled is not None else 1 - accuracy.min_cosine,
            method=calibration.method,
            keep=accuracy.keep_float,
            rank=accuracy.rank,
            target=target,
            cache=calibration.cache,
            progress=progress,
        )

    def prove(path: Path, check: Callable[[], None]) -> Proof:
        return verify_models(
            source,
            path,
            inputs=inputs,
            given=parts.compared[:_VERIFIED] if inputs.feed is None else None,
            source=f"samples of {gathered.source}" if inputs.feed is None else str(inputs),
            limits=limits,
            providers=providers,
            result_structure=result.model,
            meanwhile=check,
            progress=progress,
        )

    summary = summarize(original, result.model, parts.compared, target, result.time)
    written = Written(None, None)
    if result.met or labelled is None:
        written = write_verified(
            output,
            lambda path: save_model(result.model, path),
            source,
            None if limits is None else prove,
            optional=False,
        )
    return Quantized(
        written=written,
        samples=len(parts.calibrated),
        compared_on=str(parts),
        calibrated_on=gathered.source,
        unreadable=gathered.unreadable,
        distance=gathered.distance,
        summary=summary,
        kept=result.kept,
        drop=None if labelled is None else result.drop,
        max_drop=max_drop,
        min_cosine=accuracy.min_cosine,
        layers=result.layers,
        target=target,
    )


@contextmanager
def errors_of_file(model: ModelProto, source: Path, calibration: Calibration, inputs: InputSource) -> Iterator[None]:
    """Let errors in a block name the model's file, in the place of the name that the model has in it.

    Where it does not run on pictures of a size that was chosen here, they say which, and how to give another.
    """
    try:
        yield
    except (QuantizeError, OpsetError) as error:
        raise QuantizeError(f"{source}: {error}") from error
    except ValidationError as error:
        name, text = f"{model_name(model)}: ", str(explained(error, model, calibration, inputs))
        raise type(error)(f"{source}: {text.removeprefix(name)}" if text.startswith(name) else text) from error


def refuse_wrong_feed(model: ModelProto, inputs: InputSource) -> None:
    """Raise ValidationError where the data to verify on cannot be read, before the work that they are for is done."""
    if inputs.feed is not None:
        inputs.cases(model)


def _refuse_unmeasurable(target: Target) -> None:
    """Raise QuantizeError where the ONNX Runtime beside cannot run what would be written, and so not measure it."""
    here = onnx_runtime().version
    if target.thresholds and not has_release(here, UINT8_MAX):
        raise QuantizeError(
            f"a file for {target.runtime} is measured here, and ONNX Runtime {here} cannot run it; install "
            f"{FIRST_RELEASES[UINT8_MAX]} or later, or name an older runtime"
        )


def _fitting(model: ModelProto, target: Target, source: Path, progress: Progress) -> ModelProto:
    """The model at an opset that has integer operators and that the runtime takes, with an IR version that it loads."""
    opset, runtime = default_opset(model), target.runtime
    if opset is not None and opset < OLDEST_OPSET:
        raised = _RAISED_TO if runtime is None else min(_RAISED_TO, runtime.opset)
        progress.note(f"{source}: opset {opset} raised to {raised}, which has integer operators")
        model = convert_version(model, raised)
    if runtime is None:
        return model
    wanted = Wanted(target=runtime)
    chosen, opset = chosen_opset(model, wanted), default_opset(model)
    # of the same opset, too: what the runtime has no kernel for becomes other operators
    found = converted(model, chosen, wanted)
    if chosen != opset or found.caveats:
        caveats = summarize_caveats(found.caveats)
        moved = f"opset {opset} lowered to {chosen}" if chosen != opset else f"opset {opset}"
        progress.note("; ".join([f"{source}: {moved}, which {runtime} takes", *caveats]))
    return found.model


def _drop(
    original: ModelProto,
    labelled: ImageFolder,
    to_array: ToArray,
    inputs: InputSource,
    providers: Sequence[str] | None,
) -> Callable[[ModelProto], float]:
    def top1(model: ModelProto) -> float:
        # its workers may be other processes
        found = evaluate([loaded(model)], labelled, to_array, inputs=inputs, providers=providers)
        return found.accuracies[0].top1.value

    exact = top1(original)
    return lambda model: (exact - top1(model)) / exact if exact else 0.0
