"""Inputs of DenseNet-121 that need no data: made-up pictures of natural statistics, pre-processed as the card says."""

import numpy as np
from numpy.typing import NDArray

from zoosmith.quantize.natural_images import natural_images
from zoosmith.recipes.densenet121.net import INPUT, INPUT_SHAPE
from zoosmith.recipes.source import Arrays
from zoosmith.validation.preprocess import preprocessing

PREPROCESSING = preprocessing("caffe-densenet")
KIND = "made-up pictures of natural statistics"


def pictures(count: int, *, seed: int, first: int = 0) -> NDArray[np.float32]:
    """Return the pictures `first`, `first + 1`, ... of a seed, of shape (count, 3, 224, 224)."""
    height, width = INPUT_SHAPE[2:]
    found = natural_images(count, seed=seed, first=first)
    return np.stack([PREPROCESSING(picture, (height, width)) for picture in found])


def sample(seed: int, index: int) -> Arrays:
    """Return picture `index` as the rows read it."""
    return {f"{INPUT}_0": pictures(1, seed=seed, first=index)}
