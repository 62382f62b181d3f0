"""Pictures with the statistics of natural ones, made by seed: calibration data where there are no images.

Overlapping discs and rectangles whose radii follow r**-3 give the edges and scale invariance of photographs (dead
leaves: Lee, Mumford and Huang, "Occlusion models for natural images", 2001). Only operations that IEEE 754 rounds
exactly are used, so that a seed gives the same bytes on every machine.
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from zoosmith.onnx_model.constants import Array
from zoosmith.quantize.samples.painting import exposed, painted

# of the shorter side of a picture
_SMALLEST, _LARGEST = 1 / 100, 1 / 2
_LEAVES = 600


def natural_images(
    count: int, size: tuple[int, int] = (256, 256), *, seed: int = 0, first: int = 0
) -> Iterator[Image.Image]:
    """Pictures of natural statistics, one by one; the arguments are those of `painted`."""
    return painted(_picture, count, size, seed=seed, first=first)


def _picture(random: np.random.RandomState, height: int, width: int) -> Array:
    """Dead leaves with texture, at a random mean and contrast; uint8 of shape (height, width, 3)."""
    ground = leaves(random, height, width)
    texture = _pink_noise(random, height, width)
    values = ground + texture[..., None] * random.uniform(0.02, 0.15)
    return exposed(random, values, (70, 165), (35, 75))


def leaves(random: np.random.RandomState, height: int, width: int) -> Array:
    """Discs and rectangles over each other, float64 of shape (height, width, 3)."""
    side = min(height, width)
    low, high = side * _SMALLEST, side * _LARGEST
    result = np.empty((height, width, 3))
    result[:] = colour(random)
    for _ in range(_LEAVES):
        # inverse of the distribution function of a density that falls with r**-3 between low and high
        radius = low / np.sqrt(1 - random.uniform() * (1 - (low / high) ** 2))
        y, x = random.uniform(0, height), random.uniform(0, width)
        stretch = random.uniform(0.5, 1.0) if random.uniform() < 0.5 else 1.0
        is_disc = random.uniform() < 0.5
        tint, slope = colour(random), random.uniform(-0.3, 0.3, 2)
        top, bottom = max(0, int(y - radius)), min(height, int(y + radius) + 1)
        left, right = max(0, int(x - radius)), min(width, int(x + radius) + 1)
        rows = (np.arange(top, bottom)[:, None] - y) / radius
        columns = (np.arange(left, right)[None, :] - x) / (radius * stretch)
        inside = rows * rows + columns * columns <= 1 if is_disc else (np.abs(rows) <= 0.8) & (np.abs(columns) <= 0.8)
        shade = (rows * slope[0] + columns * slope[1])[..., None]
        result[top:bottom, left:right] = np.where(inside[..., None], tint + shade, result[top:bottom, left:right])
    return result


def colour(random: np.random.RandomState) -> Array:
    """A colour whose channels differ less than its brightness does from others: of variance 1, 0.1 and 0.02."""
    light, warm, green = random.uniform(-1, 1, 3) * (1.0, 0.32, 0.14)
    return np.array([light + warm + green, light - green, light - warm + green])


def _pink_noise(random: np.random.RandomState, height: int, width: int) -> Array:
    """Noise with as much power in every octave, of shape (height, width)."""
    result = np.zeros((height, width))
    step = 1
    while step < min(height, width):
        grid = random.uniform(-1, 1, (height // step + 2, width // step + 2))
        rows, columns = np.arange(height) / step, np.arange(width) / step
        top, left = rows.astype(int), columns.astype(int)
        down, across = (rows - top)[:, None], (columns - left)[None, :]
        upper = grid[top][:, left] * (1 - across) + grid[top][:, left + 1] * across
        lower = grid[top + 1][:, left] * (1 - across) + grid[top + 1][:, left + 1] * across
        result += upper * (1 - down) + lower * down
        step *= 2
    return result
