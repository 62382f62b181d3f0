"""DenseNet-121: the source net, its weights, and the rows that the zoo publishes.

The names here are what `zoosmith.build` and the model card need of it.
"""

import numpy as np

from zoosmith.recipes.densenet121.net import INPUT as INPUT
from zoosmith.recipes.densenet121.net import INPUT_SHAPE as INPUT_SHAPE
from zoosmith.recipes.densenet121.net import OUTPUT as OUTPUT
from zoosmith.recipes.densenet121.net import predict_net as predict_net
from zoosmith.recipes.densenet121.rows import DEFAULT_ROWS as DEFAULT_ROWS
from zoosmith.recipes.densenet121.rows import INTEGER_ROW as INTEGER_ROW
from zoosmith.recipes.densenet121.rows import ROWS as ROWS
from zoosmith.recipes.densenet121.rows import Row as Row
from zoosmith.recipes.densenet121.rows import RowMaker as RowMaker
from zoosmith.recipes.densenet121.rows import select_rows as select_rows
from zoosmith.recipes.densenet121.weights import Weights as Weights
from zoosmith.recipes.densenet121.weights import read_weights as read_weights
from zoosmith.recipes.densenet121.weights import synthetic_weights as synthetic_weights
from zoosmith.validation.preprocess import preprocessing

# the model's folder in the zoo's tree, and the tags that the hub finds it by
FOLDER = "vision/classification/densenet-121"
TAGS = ("vision", "classification", "densenet-121")

# what the rows call the source net's input, its output, and the features before the classifier
MODEL_INPUT = f"{INPUT}_0"
MODEL_OUTPUT = f"{OUTPUT}_1"
MODEL_FEATURES = "pool5_1"

PREPROCESSING = preprocessing("caffe-densenet")


def sample_input(seed: int, index: int) -> np.ndarray:
    """Return input `index` of the sample test data: a picture of random pixels, pre-processed as the card says."""
    pixels = np.random.RandomState([seed, index]).randint(0, 256, INPUT_SHAPE)
    mean, scale = (np.reshape(values, (1, 3, 1, 1)) for values in (PREPROCESSING.mean, PREPROCESSING.scale))
    return ((pixels - mean) * scale).astype(np.float32)
