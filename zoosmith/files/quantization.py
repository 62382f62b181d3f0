"""A model's file in integers: calibrated, held to a limit of accuracy, measured, written."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from onnx import GraphProto, ModelProto, helper

from zoosmith.execution import SILENT, Progress
from zoosmith.files.preprocessing import AUTO, choose
from zoosmith.files.writing import Written, write_verified
from zoosmith.onnx_model.loading import model_name
from zoosmith.onnx_model.mapped import load_mapped, loaded
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.saving import save_model
from zoosmith.opset_upgrade import OpsetError, convert_version
from zoosmith.quantize import QuantizeError, quantize_within
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.layer import Layer
from zoosmith.quantize.quantizer import OLDEST_OPSET, refuse_quantized
from zoosmith.quantize.report import Summary, summarize
from zoosmith.quantize.samples.graph_inputs import signal_input
from zoosmith.quantize.samples.held_out import most_compared, split, with_held_out
from zoosmith.quantize.samples.made_inputs import random_cases, sound_cases
from zoosmith.quantize.samples.made_pictures import KINDS
from zoosmith.quantize.samples.reading import MADE_UP, SOUND, SYNTHETIC, array_files, read_samples, takes_images
from zoosmith.quantize.samples.seen_samples import refuse_seen, sample_digests, state_digests, stated_digests
from zoosmith.quantize.samples.statistics import SampleDistance, check_samples, measure_samples, refuse_far
from zoosmith.quantize.similarity import CosineLoss
from zoosmith.quantize.target import INTEGER, Target
from zoosmith.validation import (
    ImageFolder,
    InputSource,
    Limits,
    Proof,
    ValidationError,
    evaluate,
    preprocessing,
    verify_models,
)
from zoosmith.validation.inputs.random_values import described_inputs
from zoosmith.validation.reading.images import OnBroken
from zoosmith.validation.reading.preprocess import PREPROCESSINGS, Preprocess, ToArray

# what older models are raised to: the first opset whose MaxPool takes integers
_RAISED_TO = 12
# what a quantized model keeps of the float one's outputs where no other limit is given
MIN_COSINE = 0.99
# of images, where a user names none
DEFAULT_PREPROCESSING = "caffe-densenet"
# samples that a limit is verified on
_VERIFIED = 8


@dataclass(frozen=True)
class Calibration:
    """What a model is calibrated on.

    Attributes:
        source: `synthetic` (made-up pictures), `random`, an NPZ file, or a folder of images; None for `synthetic` where
            the model takes images.
        samples: how many of them to use.
        method: how ranges come from samples, as `quantize` takes it.
        preprocess: the convention for images, or `auto` for the one that the model was trained with. None is
            `caffe-densenet`, or where that is far from the statistics which the model states, the nearest.
        force: go on with samples that are far from what the model was trained on.
        timeout: seconds for the search of sizes on which the model runs, where samples are random.
        cache: folder in which ranges are kept for the next time; None for none.
    """

    source: str | None = None
    samples: int = 200
    method: str = "minmax"
    preprocess: str | None = None
    force: bool = False
    timeout: float | None = None
    cache: Path | None = None


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

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "output": None if self.written.output is None else str(self.written.output),
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
    labelled = accuracy.data
    original = load_mapped(source)
    try:
        refuse_quantized(original)
        integer_source, raised_from = _raised(original)
        if raised_from is not None:
            progress.note(f"{source}: opset {raised_from} raised to {_RAISED_TO}, which has integer operators")
        gathered = gather(original, calibration, inputs, progress, count=with_held_out)
        if labelled is not None:
            refuse_seen(original, gathered.seen | stated_digests(original), labelled, gathered.to_array)
        state_digests(integer_source, gathered.seen)
    except (QuantizeError, OpsetError) as error:
        raise QuantizeError(f"{source}: {error}") from error
    except ValidationError as error:
        raise of_file(error, original, source) from error
    parts = split(gathered.samples, gathered.source, most_compared(original, gathered.samples))
    max_drop = 1.0 if accuracy.max_drop is None else accuracy.max_drop
    try:
        drop_of = (
            CosineLoss(original, parts.compared, parts.more, node_by_node=target.format == "qdq")
            if labelled is None
            else _drop(original, labelled, gathered.to_array, providers)
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
    except QuantizeError as error:
        raise QuantizeError(f"{source}: {error}") from error
    except ValidationError as error:
        raise of_file(error, original, source) from error

    def prove(path: Path, check: Callable[[], None]) -> Proof:
        given = parts.compared[:_VERIFIED] if inputs.feed is None else None
        origin = f"samples of {gathered.source}" if inputs.feed is None else str(inputs)
        return verify_models(
            source,
            path,
            inputs=inputs,
            given=given,
            source=origin,
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
    )


@dataclass(frozen=True)
class Gathered:
    """Samples of a model.

    Attributes:
        samples: the inputs by name.
        source: as `Calibration` has it.
        unreadable: how many images could not be read.
        distance: of the samples from the training data; None where the model states nothing of that.
        to_array: makes the model's input of an image.
    """

    samples: Samples
    source: str
    unreadable: int
    distance: SampleDistance | None
    to_array: Preprocess

    @property
    def seen(self) -> frozenset[str]:
        """Hashes of the samples, where they are data that a user gave."""
        return frozenset() if self.source in MADE_UP else sample_digests(self.samples)


def gather(
    model: ModelProto,
    calibration: Calibration,
    inputs: InputSource,
    progress: Progress,
    *,
    count: Callable[[str, int], int] = lambda source, count: count,
) -> Gathered:
    """Read samples, and hold them against what the model was trained on.

    Args:
        model: what reads them.
        calibration: what they are.
        inputs: seed and sizes of random ones.
        progress: told of images that cannot be read, and which preprocessing was found.
        count: how many to read, of the source and the number to calibrate on.

    Raises:
        ZoosmithError: they cannot be read, do not fit the model, or are far from its training data.
    """
    broken: list[Path] = []

    def skip(path: Path, why: str) -> None:
        broken.append(path)
        progress.note(f"skipped: {path}: {why}")

    to_array = _preprocessing(model, calibration, progress)
    source = _source(model, calibration)
    calibration = replace(calibration, source=source, samples=count(source, calibration.samples))
    samples = _samples(model, calibration, inputs, to_array, skip)
    may_choose = source == SYNTHETIC or (calibration.preprocess is None and _holds_images(source))
    distance = check_samples(model, samples, force=calibration.force or may_choose)
    if may_choose and distance is not None and distance.far and not calibration.force:
        choice = _nearest(model, calibration, to_array, partial(_samples, model, calibration, inputs, skip=_told))
        to_array, samples, distance = choice.preprocess, choice.samples, choice.distance
        refuse_far(distance)
        progress.note(f"nearest to the training data: {choice}")
    return Gathered(samples, str(calibration.source), len(broken), distance, to_array)


def _told(*_: object) -> None:
    """Take note of a broken image that has been reported before."""


@dataclass(frozen=True)
class _Choice:
    """Pictures as a model may have been trained on them: their preprocessing, and the kind of made-up ones."""

    preprocess: Preprocess
    kind: str | None
    samples: Samples
    distance: SampleDistance

    def __str__(self) -> str:
        kind = "" if self.kind is None else f"{KINDS[self.kind]}, "
        return f"{kind}--preprocess {self.preprocess.name}"


def _nearest(
    model: ModelProto, calibration: Calibration, to_array: Preprocess, samples_of: Callable[..., Samples]
) -> _Choice:
    """The kind of made-up pictures and, where none is named, the preprocessing nearest to the training data."""

    def nearest(choices: Iterable[tuple[Preprocess, str | None]]) -> _Choice:
        found = []
        for preprocess, kind in choices:
            samples = samples_of(preprocess, kind=kind)
            distance = measure_samples(model, samples)
            assert distance is not None  # one that states nothing is never far
            found.append(_Choice(preprocess, kind, samples, distance))
        return min(found, key=lambda choice: (choice.distance.far, choice.distance.divergence))

    kinds = KINDS if calibration.source == SYNTHETIC else (None,)
    best = nearest((to_array, kind) for kind in kinds)
    if best.distance.far and calibration.preprocess is None:
        best = nearest((each, best.kind) for each in PREPROCESSINGS.values())
    return best


def of_file(error: ValidationError, model: ModelProto, source: Path) -> ValidationError:
    """The error with the model's file in the place of the name that the model has in it."""
    name = f"{model_name(model)}: "
    return type(error)(f"{source}: {str(error).removeprefix(name)}") if str(error).startswith(name) else error


def _raised(model: ModelProto) -> tuple[ModelProto, int | None]:
    """A model of an opset that has integer operators, and the one it was raised from; None where it has one itself."""
    opset = default_opset(model)
    if opset is None or opset >= OLDEST_OPSET:
        return model, None
    return convert_version(model, _RAISED_TO), opset


def _preprocessing(model: ModelProto, calibration: Calibration, progress: Progress) -> Preprocess:
    """The convention that is named or found; one that does not fit is refused with the samples that it makes."""
    if calibration.preprocess != AUTO:
        return preprocessing(calibration.preprocess or DEFAULT_PREPROCESSING)
    source = calibration.source
    return choose(model, AUTO, Path(source) if source is not None and _holds_images(source) else None, progress)


def _holds_images(source: str) -> bool:
    """Whether a source is a folder of images, and not one of arrays."""
    return Path(source).is_dir() and not array_files(source)


def _source(model: ModelProto, calibration: Calibration) -> str:
    """What samples are made of: for `synthetic` and where none is named, pictures or sound."""
    if calibration.source not in (None, SYNTHETIC):
        return str(calibration.source)
    if signal_input(model) is not None:
        return SOUND
    if calibration.source is None and not takes_images(model):
        raise QuantizeError(
            "no samples to calibrate on: pictures are made up only for one float32 input of three channels, sound only "
            "for one that a Fourier transform reads; give --calibrate an NPZ file, or random"
        )
    return SYNTHETIC


def _samples(
    model: ModelProto,
    calibration: Calibration,
    inputs: InputSource,
    to_array: ToArray,
    skip: OnBroken,
    kind: str | None = None,
) -> Samples:
    made = {"random": random_cases, SOUND: sound_cases}.get(str(calibration.source))
    if made is not None:
        return made(model, calibration.samples, replace(inputs, feed=None), calibration.timeout)
    sized = _sized(model, inputs)
    return read_samples(sized, str(calibration.source), calibration.samples, to_array, kind=kind, on_broken=skip)


def _sized(model: ModelProto, inputs: InputSource) -> ModelProto:
    """The inputs of a model, in the sizes that a user gives; the rest is not needed to read samples."""
    sizes = dict(inputs.dims)
    if not sizes and not inputs.shapes:
        return model
    result = ModelProto(graph=GraphProto(name=model.graph.name))
    for port in described_inputs(model, inputs.shapes, sizes, model_name(model)):
        shape = None if port.shape is None else [sizes.get(str(size), size) for size in port.shape]
        result.graph.input.append(helper.make_tensor_value_info(port.name, port.elem_type, shape))
    return result


def _drop(
    original: ModelProto, labelled: ImageFolder, to_array: ToArray, providers: Sequence[str] | None
) -> Callable[[ModelProto], float]:
    def top1(model: ModelProto) -> float:
        # its workers may be other processes
        return evaluate([loaded(model)], labelled, to_array, providers=providers).accuracies[0].top1.value

    exact = top1(original)
    return lambda model: (exact - top1(model)) / exact if exact else 0.0
