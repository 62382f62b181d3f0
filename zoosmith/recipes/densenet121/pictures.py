"""Inputs of DenseNet-121 that need no data, pre-processed as the card says."""

import numpy as np
from numpy.typing import NDArray

from zoosmith.recipes.densenet121.net import INPUT, INPUT_SHAPE
from zoosmith.recipes.pictures import picture_inputs
from zoosmith.recipes.pictures import pictures as preprocessed
from zoosmith.validation.reading.preprocess import preprocessing

PREPROCESSING = preprocessing("caffe-densenet")
_SIZE = INPUT_SHAPE[2], INPUT_SHAPE[3]
SAMPLES = picture_inputs(f"{INPUT}_0", PREPROCESSING, _SIZE)


def pictures(count: int, *, seed: int, first: int = 0) -> NDArray[np.float32]:
    """Return the pictures `first`, `first + 1`, ... of a seed, of shape (count, 3, 224, 224)."""
    return preprocessed(count, PREPROCESSING, _SIZE, seed=seed, first=first)
