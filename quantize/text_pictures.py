"""Pictures of lines of text, made by seed: calibration data for nets that read text, whose inputs are wide and low.

Letters are strokes between points of a grid, which makes the edges and the empty ground of written lines without any
font. Only operations that IEEE 754 rounds exactly are used, so that a seed gives the same bytes on every machine.
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from zoosmith.onnx_model.constants import Array
from zoosmith.quantize.natural_images import colour, leaves

# of the height of a picture: that of its letters
_LOWEST, _HIGHEST = 0.45, 0.85
_SPACES = 0.15


def text_pictures(count: int, size: tuple[int, int], *, seed: int = 0, first: int = 0) -> Iterator[Image.Image]:
    """Make pictures one by one.

    Args:
        count: how many.
        size: height and width, in pixels.
        seed: chooses them; picture `i` of a seed does not depend on `count` and `first`.
        first: the number of the first one.

    Returns:
        RGB pictures of 8 bits.
    """
    for index in range(first, first + count):
        yield Image.fromarray(_picture(np.random.RandomState([seed, index]), *size), "RGB")


def _picture(random: np.random.RandomState, height: int, width: int) -> Array:
    """A line of letters on a ground of faint shapes, at a random mean and contrast; uint8 of (height, width, 3)."""
    ground = leaves(random, height, width) * random.uniform(0, 0.25) + colour(random)
    ink = _line(random, height, width)[..., None]
    shade = colour(random)
    shade = shade + (1.0 if shade.mean() >= ground.mean() else -1.0) * random.uniform(0.6, 1.2)
    values = ground * (1 - ink) + shade * ink
    values = values + random.uniform(-1, 1, values.shape) * random.uniform(0, 0.15)
    values = values - values.mean()
    spread = np.sqrt((values * values).mean())
    mean, contrast = random.uniform(80, 180), random.uniform(35, 75)
    return np.clip(np.rint(mean + values * (contrast / spread)), 0, 255).astype(np.uint8)


def _line(random: np.random.RandomState, height: int, width: int) -> Array:
    """How much of each pixel ink covers, of shape (height, width)."""
    result = np.zeros((height, width))
    letter = height * random.uniform(_LOWEST, _HIGHEST)
    top = (height - letter) * random.uniform(0.2, 0.8)
    thickness = letter * random.uniform(0.04, 0.1)
    left = letter * random.uniform(0, 0.4)
    while left < width:
        wide = letter * random.uniform(0.25, 0.65)
        if random.uniform() >= _SPACES:
            _draw_letter(random, result, (top, left), (letter, wide), thickness)
        left += wide + letter * random.uniform(0.08, 0.25)
    return result


def _draw_letter(
    random: np.random.RandomState, ink: Array, corner: tuple[float, float], size: tuple[float, float], thickness: float
) -> None:
    """Add two to four strokes between points of a grid of three by three; most begin where the last one ended."""
    rows, columns = np.arange(ink.shape[0])[:, None], np.arange(ink.shape[1])[None, :]
    last = None
    for _ in range(random.randint(2, 5)):
        begin, end = random.randint(0, 3, 2), random.randint(0, 3, 2)
        if last is not None and random.uniform() < 0.6:
            begin = last
        last = end
        (y, x), (to_y, to_x) = (
            (corner[0] + size[0] * point[0] / 2, corner[1] + size[1] * point[1] / 2) for point in (begin, end)
        )
        down, across = to_y - y, to_x - x
        length = down * down + across * across
        share = np.clip(((rows - y) * down + (columns - x) * across) / (length or 1.0), 0, 1)
        away = np.sqrt((rows - y - share * down) ** 2 + (columns - x - share * across) ** 2)
        np.maximum(ink, np.clip(thickness - away + 0.5, 0, 1), out=ink)
