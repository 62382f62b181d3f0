"""What made-up pictures of every kind share: one stream of random numbers for each, and a random exposure."""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from zoosmith.onnx_model.constants import Array

Painter = Callable[[np.random.RandomState, int, int], Array]
"""Makes a picture of a height and width: uint8 of shape (height, width, 3)."""


def painted(paint: Painter, count: int, size: tuple[int, int], *, seed: int, first: int) -> Iterator[Image.Image]:
    """Make pictures one by one.

    Args:
        paint: makes each.
        count: how many.
        size: height and width, in pixels.
        seed: chooses them; picture `i` of a seed does not depend on `count` and `first`.
        first: the number of the first one.

    Returns:
        RGB pictures of 8 bits.
    """
    for index in range(first, first + count):
        yield Image.fromarray(paint(np.random.RandomState([seed, index]), *size), "RGB")


def exposed(
    random: np.random.RandomState, values: Array, means: tuple[float, float], contrasts: tuple[float, float]
) -> Array:
    """Values of any size as uint8, with a mean and a standard deviation between these bounds."""
    values = values - values.mean()
    spread = np.sqrt((values * values).mean())
    mean, contrast = random.uniform(*means), random.uniform(*contrasts)
    return np.clip(np.rint(mean + values * (contrast / spread)), 0, 255).astype(np.uint8)
