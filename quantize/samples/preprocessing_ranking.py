"""Which preprocessing a net was trained with, found from the statistics that its BatchNormalizations state."""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx

from zoosmith.quantize.samples.reading import image_samples
from zoosmith.quantize.samples.statistics import SampleDistance, measure_samples
from zoosmith.validation import ImageFolder, InputSource, ValidationError
from zoosmith.validation.accuracy.classifier import image_input
from zoosmith.validation.reading.images import OnBroken, leave_out
from zoosmith.validation.reading.preprocess import PREPROCESSINGS, Preprocess

IMAGES = 24
"""Images that a ranking needs: two different sets of so many photographs gave the same order."""

MORE_IMAGES = 96
"""Images that tell near ones apart.

On DenseNet-121, torchvision was 1.4 and 2.2 times as far as caffe-densenet on two sets of `IMAGES` photographs, 6.4
and 4.5 times on two sets of so many.
"""

# How much farther the second must be. Measured on DenseNet-121 trained with caffe-densenet: torchvision, which differs
# in the order of channels and a few per cent of scale, is 2.4 times as far, all others more than 25 times.
_CLEAR = 1.5


@dataclass(frozen=True)
class RankedPreprocessing:
    """A preprocessing, and how far images are from the training data after it."""

    preprocess: Preprocess
    distance: SampleDistance


def rank_preprocessings(
    model: onnx.ModelProto,
    folder: ImageFolder,
    preprocessings: Sequence[Preprocess] = tuple(PREPROCESSINGS.values()),
    *,
    on_broken: OnBroken | None = None,
    inputs: InputSource | None = None,
) -> list[RankedPreprocessing]:
    """Order preprocessings by how near they bring images to what a net was trained on; no label is needed.

    Args:
        model: float32, one input of images, as trained: before its BatchNormalizations are folded into convolutions.
        folder: images like the training data; about `IMAGES` are enough.
        preprocessings: those to compare.
        on_broken: told of images that cannot be read, once for each.
        inputs: sizes that are given for what the model leaves open.

    Returns:
        The nearest first; nothing where the model states no statistics.

    Raises:
        QuantizeError: the images make values that are not finite.
        ValidationError: the model does not read images, or not of this size, or no image can be read.
    """
    found = []
    for preprocess in preprocessings:
        samples = image_samples(model, folder, preprocess, on_broken=on_broken, inputs=inputs)
        try:
            distance = measure_samples(model, samples, most=len(samples))
        except ValidationError as error:
            raise image_input(model, inputs=inputs).explained(error) from error
        if distance is None:
            return []
        found.append(RankedPreprocessing(preprocess, distance))
        on_broken = leave_out if on_broken is not None else None
    return sorted(found, key=lambda each: (each.distance.divergence, each.distance.mean))


def clear_best(ranking: Sequence[RankedPreprocessing]) -> RankedPreprocessing | None:
    """The first of a ranking, where it is like the training data and the second is clearly farther; else None."""
    if not ranking or ranking[0].distance.far:
        return None
    if len(ranking) > 1 and ranking[1].distance.divergence < _CLEAR * ranking[0].distance.divergence:
        return None
    return ranking[0]


def not_clearly_farther(ranking: Sequence[RankedPreprocessing]) -> list[Preprocess]:
    """The preprocessings of a ranking that may as well be the best: the first, and those that are nearly as near."""
    near = _CLEAR * ranking[0].distance.divergence
    return [each.preprocess for number, each in enumerate(ranking) if not number or each.distance.divergence < near]
