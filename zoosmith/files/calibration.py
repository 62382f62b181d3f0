"""What a model is calibrated on: samples read or made up, and held against what it was trained on."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from onnx import GraphProto, ModelProto, helper

from zoosmith.execution import Progress
from zoosmith.files.preprocessing import AUTO, choose
from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.loading import model_name
from zoosmith.quantize import QuantizeError
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.samples.graph_inputs import signal_input
from zoosmith.quantize.samples.made_inputs import choice_sets, random_cases, sound_cases
from zoosmith.quantize.samples.made_pictures import KINDS, NATURAL, fitting_kinds, usual_kind
from zoosmith.quantize.samples.reading import (
    MADE_UP,
    SOUND,
    SYNTHETIC,
    LazySamples,
    array_files,
    read_samples,
    synthetic_samples,
    takes_images,
)
from zoosmith.quantize.samples.seen_samples import sample_digests
from zoosmith.quantize.samples.statistics import SampleDistance, check_samples, measure_samples, refuse_far
from zoosmith.validation import InputSource, preprocessing
from zoosmith.validation.accuracy.classifier import image_input
from zoosmith.validation.errors import RunError, ValidationError
from zoosmith.validation.inputs.given_sizes import sized_ports
from zoosmith.validation.reading.images import OnBroken, leave_out
from zoosmith.validation.reading.preprocess import PREPROCESSINGS, Preprocess, ToArray

# of images, where a user names none
DEFAULT_PREPROCESSING = "caffe-densenet"

# of made-up samples to check on: so far from those to calibrate on that no number of them reaches it
_FIRST_TO_CHECK = 10_000


@dataclass(frozen=True)
class Calibration:
    """What a model is calibrated on.

    Attributes:
        source: `synthetic` (made-up pictures), `random`, an NPZ file, or a folder of images; None for `synthetic` where
            the model takes images.
        samples: how many of them to use; of made-up sound so many for each number that chooses a branch.
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
class Gathered:
    """Samples of a model.

    Attributes:
        samples: the inputs by name.
        source: as `Calibration` has it.
        unreadable: how many images could not be read.
        distance: of the samples from the training data; None where the model states nothing of that.
        to_array: makes the model's input of an image.
        kind: of made-up pictures, one of `KINDS`; None for other samples.
    """

    samples: Samples
    source: str
    unreadable: int
    distance: SampleDistance | None
    to_array: Preprocess
    kind: str | None = None

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
    found = find_samples(model, calibration, inputs, progress, count=count)
    if found.distance is not None and not calibration.force:
        refuse_far(found.distance)
    return found


def find_samples(
    model: ModelProto,
    calibration: Calibration,
    inputs: InputSource,
    progress: Progress,
    *,
    count: Callable[[str, int], int] = lambda source, count: count,
) -> Gathered:
    """Read samples as `gather` does, and return them even where they are far from what the model was trained on."""
    broken: list[Path] = []

    def skip(path: Path, why: str) -> None:
        broken.append(path)
        progress.note(f"skipped: {path}: {why}")

    to_array = _preprocessing(model, calibration, inputs, progress)
    source = _source(model, calibration, inputs)
    # the ranges of each branch come from sound of its own
    wanted = calibration.samples * (choice_sets(model) if source == SOUND else 1)
    calibration = replace(calibration, source=source, samples=count(source, wanted))
    samples = _samples(model, calibration, inputs, to_array, skip)
    may_choose = source == SYNTHETIC or (calibration.preprocess is None and _holds_images(source))
    distance = check_samples(model, samples, force=True)
    size = image_input(model, inputs=inputs).size if source == SYNTHETIC else None
    kind = None if size is None else usual_kind(size)
    if may_choose and distance is not None and distance.far and not calibration.force:
        kinds = [None] if size is None else fitting_kinds(size)
        samples_of = partial(_samples, model, calibration, inputs, skip=leave_out)
        choice = _nearest(model, calibration, to_array, kinds, samples_of)
        to_array, samples, distance, kind = choice.preprocess, choice.samples, choice.distance, choice.kind
        if not distance.far:
            progress.note(f"nearest to the training data: {choice}")
    return Gathered(samples, source, len(broken), distance, to_array, kind)


def made_up_source(model: ModelProto, inputs: InputSource) -> str | None:
    """What is made up for a model: sound, or pictures; None for one that takes neither.

    Args:
        model: its graph suffices.
        inputs: sizes that are given.
    """
    if signal_input(model) is not None:
        return SOUND
    return SYNTHETIC if takes_images(sized_model(model, inputs)) else None


def samples_to_check(model: ModelProto, found: Gathered, count: int, inputs: InputSource) -> Samples:
    """Made-up samples, other ones than those that were found: pictures are natural ones and those of the kind in turn.

    Args:
        model: what reads them.
        found: made-up samples of the model.
        count: how many.
        inputs: seed and sizes, as the samples were found with.

    Raises:
        ValidationError: the model runs with no sizes that were tried.
    """
    if found.source == SOUND:
        return sound_cases(model, count, replace(inputs, seed=(inputs.seed + _FIRST_TO_CHECK) % 2**32), None)
    sized = sized_model(model, inputs)
    pictures = count * image_input(sized).batch
    in_turn = [
        synthetic_samples(sized, pictures, found.to_array, seed=inputs.seed, kind=kind, first=_FIRST_TO_CHECK)
        for kind in (NATURAL, found.kind)
    ]
    return LazySamples(count, lambda index: in_turn[index % 2][index])


@dataclass(frozen=True)
class _Choice:
    """Pictures as a model may have been trained on them: their preprocessing, and the kind of made-up ones."""

    preprocess: Preprocess
    kind: str | None
    samples: Samples
    distance: SampleDistance

    def __str__(self) -> str:
        kind = "" if self.kind is None else f"{KINDS[self.kind]}, "
        return f"{kind}{argument('preprocess', self.preprocess.name)}"


def _nearest(
    model: ModelProto,
    calibration: Calibration,
    to_array: Preprocess,
    kinds: Sequence[str | None],
    samples_of: Callable[..., Samples],
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

    best = nearest((to_array, kind) for kind in kinds)
    if best.distance.far and calibration.preprocess is None:
        best = nearest((each, best.kind) for each in PREPROCESSINGS.values())
    return best


def explained(
    error: ValidationError, model: ModelProto, calibration: Calibration, inputs: InputSource
) -> ValidationError:
    """The error; where a model does not run on pictures of a size that was chosen here, with that size."""
    pictures = calibration.source in (None, SYNTHETIC) or _holds_images(str(calibration.source))
    if pictures and isinstance(error, RunError) and signal_input(model) is None:
        return image_input(model, inputs=inputs).explained(error)
    return error


def _preprocessing(model: ModelProto, calibration: Calibration, inputs: InputSource, progress: Progress) -> Preprocess:
    """The convention that is named or found; one that does not fit is refused with the samples that it makes."""
    if calibration.preprocess != AUTO:
        return preprocessing(calibration.preprocess or DEFAULT_PREPROCESSING)
    source = calibration.source
    data = Path(source) if source is not None and _holds_images(source) else None
    return choose(model, AUTO, data, progress, inputs)


def _holds_images(source: str) -> bool:
    """Whether a source is a folder of images, and not one of arrays."""
    return Path(source).is_dir() and not array_files(source)


def _source(model: ModelProto, calibration: Calibration, inputs: InputSource) -> str:
    """What samples are made of: for `synthetic` and where none is named, pictures or sound."""
    if calibration.source not in (None, SYNTHETIC):
        return str(calibration.source)
    found = made_up_source(model, inputs)
    if calibration.source is None and found is None:
        raise QuantizeError(
            "no samples to calibrate on: pictures are made up only for one float32 input of three channels, sound only "
            f"for one that a Fourier transform reads; give {argument('calibration')} an NPZ file, or random"
        )
    # grey pictures where they are asked for
    return found or SYNTHETIC


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
    sized = sized_model(model, inputs)
    source, count = str(calibration.source), calibration.samples
    return read_samples(sized, source, count, to_array, seed=inputs.seed, kind=kind, on_broken=skip)


def sized_model(model: ModelProto, inputs: InputSource) -> ModelProto:
    """The inputs of a model, in the sizes that a user gives; the rest is not needed to read samples."""
    if not inputs.dims and not inputs.shapes:
        return model
    result = ModelProto(graph=GraphProto(name=model.graph.name))
    for port in sized_ports(model, inputs, model_name(model)):
        result.graph.input.append(helper.make_tensor_value_info(port.name, port.elem_type, port.shape))
    return result
