"""The preprocessing that a user names, leaves to be found, or got wrong."""

from pathlib import Path

from onnx import ModelProto

from zoosmith.execution import Progress
from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import load_model, model_name
from zoosmith.quantize.samples.preprocessing_ranking import (
    IMAGES,
    MORE_IMAGES,
    RankedPreprocessing,
    clear_best,
    not_clearly_farther,
    rank_preprocessings,
)
from zoosmith.quantize.samples.statistics import states_statistics
from zoosmith.validation import ImageFolder, InputSource, preprocessing
from zoosmith.validation.reading.images import OnBroken, leave_out
from zoosmith.validation.reading.preprocess import Preprocess

AUTO = "auto"


def rank_file(
    source: Path, data: Path, images: int = IMAGES, *, inputs: InputSource | None = None, progress: Progress
) -> list[RankedPreprocessing]:
    """Rank all preprocessings for a model's file, on images spread evenly over a folder.

    Args:
        source: the ONNX file.
        data: folder of images like the training data.
        images: how many of them to use.
        inputs: sizes that are given for what the model leaves open.
        progress: told of images that cannot be read.

    Returns:
        The nearest to the training data first.

    Raises:
        ZoosmithError: the model cannot be read or states no statistics, or images cannot be read.
    """
    model = load_model(source)

    def skip(path: Path, reason: str) -> None:
        progress.note(f"skipped: {path}: {reason}")

    try:
        return _rank(model, data, images, skip, inputs)
    except ZoosmithError as error:
        raise of_file(error, model, source, data) from error


def of_file(error: ZoosmithError, model: ModelProto, source: Path, data: Path) -> ZoosmithError:
    """The error with the model's file before it, in the place of the name that the model has in it.

    Args:
        error: of a model or images.
        model: that was read.
        source: its file.
        data: the images; an error that names them stays as it is.
    """
    text = str(error).removeprefix(f"{model_name(model)}: ")
    return error if text.startswith(str(data)) else type(error)(f"{source}: {text}")


def _rank(
    model: ModelProto, data: Path, images: int, on_broken: OnBroken, inputs: InputSource | None
) -> list[RankedPreprocessing]:
    ranking = rank_preprocessings(model, ImageFolder(data, limit=images), on_broken=on_broken, inputs=inputs)
    if not ranking:
        raise ZoosmithError(
            "the model states no statistics of its training data (no BatchNormalization that is not folded), so that "
            "preprocessings cannot be compared: take the one that it was trained with"
        )
    return ranking


def choose(
    model: ModelProto, name: str, data: Path | None, progress: Progress, inputs: InputSource | None = None
) -> Preprocess:
    """Return the preprocessing of this name; for `auto` the one that the model was trained with, found on images.

    Args:
        model: what reads the images.
        name: of a preprocessing, or `auto`.
        data: folder of images.
        progress: told which one was found; of one that is named, that images are far from the training data after it.
        inputs: sizes that are given for what the model leaves open.

    Raises:
        ZoosmithError: nothing is called so, or `auto` finds none that is clearly the best.
    """
    if name != AUTO:
        told = preprocessing(name)
        if data is not None:
            warn_if_far(model, told, data, progress, inputs)
        return told
    if data is None:
        raise ZoosmithError(f"{_auto()} compares preprocessings on images: give a folder of them, or a name")
    ranking = _rank(model, data, IMAGES, leave_out, inputs)
    best = clear_best(ranking)
    if best is None and not ranking[0].distance.far:
        near, more = not_clearly_farther(ranking), ImageFolder(data, limit=MORE_IMAGES)
        ranking = rank_preprocessings(model, more, near, on_broken=leave_out, inputs=inputs)
        best = clear_best(ranking)
    if best is None:
        first, second = (f"{each.preprocess.name} ({each.distance})" for each in ranking[:2])
        raise ZoosmithError(f"{_auto()} finds no clear best: {first}, then {second}; name one")
    progress.note(f"{_auto()} takes {best.preprocess.name}: {best.distance}")
    return best.preprocess


def _auto() -> str:
    return argument("preprocess", AUTO)


def warn_if_far(
    model: ModelProto, told: Preprocess, data: Path, progress: Progress, inputs: InputSource | None = None
) -> None:
    """Tell where images are far from the training data after a preprocessing; nothing where the model does not tell."""
    if not states_statistics(model):
        return
    folder = ImageFolder(data, limit=IMAGES)
    found = rank_preprocessings(model, folder, [told], on_broken=leave_out, inputs=inputs)
    if found and found[0].distance.far:
        progress.note(
            f"warning: preprocessed by {told.name}, the images of {data} are unlike the training data: "
            f"{found[0].distance}; zoosmith preprocess compares all"
        )
