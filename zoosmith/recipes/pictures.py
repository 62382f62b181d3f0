"""Inputs of classifiers that need no data: made-up pictures of natural statistics, pre-processed."""

import numpy as np
from numpy.typing import NDArray

from zoosmith.quantize.samples.natural_images import natural_images
from zoosmith.recipes.samples import NATURAL_PICTURES, SampleInputs
from zoosmith.recipes.source import Arrays
from zoosmith.validation.reading.preprocess import Preprocess


def pictures(
    count: int, preprocess: Preprocess, size: tuple[int, int], *, seed: int, first: int = 0
) -> NDArray[np.float32]:
    """Return the pictures `first`, `first + 1`, ... of a seed, of shape (count, 3, height, width)."""
    return np.stack([preprocess(picture, size) for picture in natural_images(count, seed=seed, first=first)])


def picture_inputs(name: str, preprocess: Preprocess, size: tuple[int, int]) -> SampleInputs:
    """Return the inputs of a model that reads one picture.

    Args:
        name: of its input in the rows.
        preprocess: makes the input of a picture.
        size: height and width.
    """

    def make(seed: int, index: int) -> Arrays:
        return {name: pictures(1, preprocess, size, seed=seed, first=index)}

    return SampleInputs(make, NATURAL_PICTURES)
