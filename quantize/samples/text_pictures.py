"""Pictures of lines and pages of text, made by seed: calibration data for nets that read or find text.

Letters are strokes between points of a grid of three by five. They have to be letters that can be read: on strokes at
random, the values deep in PP-OCRv5's recognizer are unlike those that its BatchNormalizations state, as if there were
no text. Only operations that IEEE 754 rounds exactly are used, so that a seed gives the same bytes on every machine.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from PIL import Image

from zoosmith.onnx_model.constants import Array
from zoosmith.quantize.samples.natural_images import colour, leaves
from zoosmith.quantize.samples.painting import exposed, painted

# of the height of a picture: that of its letters
_LOWEST, _HIGHEST = 0.45, 0.85
_SPACES = 0.15
# of the height of a page: that of its lines; and the lowest one that can be read, in pixels
_LINES = (0.05, 0.2)
_LOWEST_LINE = 12
# of its width: where lines end
_ENDS = (-0.2, 1.4)

# bounds of the mean and the standard deviation of a line, and of the mean of a page: a page is as light as paper, or
# dark where the ink is the lighter. With the means of lines, pages of dark ink were too dark: what they make of the
# values in two PP-OCR detectors was farther from what their BatchNormalizations state
_MEAN, _CONTRAST = (80, 180), (35, 90)
_LIGHT_PAGE, _DARK_PAGE = (130, 220), (40, 120)

# letter -> its strokes: points of a column (0 to 2) and a row (0 to 4), each joined with the one before
_LETTERS = {
    "A": "04 02 10 22 24|03 23",
    "B": "02 00 10 21 12 02 04 14 23 12",
    "C": "21 10 01 03 14 23",
    "D": "00 04 14 23 21 10 00",
    "E": "20 00 04 24|02 12",
    "F": "20 00 04|02 12",
    "G": "21 10 01 03 14 23 22 12",
    "H": "00 04|20 24|02 22",
    "I": "10 14",
    "J": "20 23 14 03",
    "K": "00 04|20 02 24",
    "L": "00 04 24",
    "M": "04 00 12 20 24",
    "N": "04 00 24 20",
    "O": "10 01 03 14 23 21 10",
    "P": "04 00 10 21 12 02",
    "R": "04 00 10 21 12 02|12 24",
    "S": "21 10 01 12 23 14 03",
    "T": "00 20|10 14",
    "U": "00 03 14 23 20",
    "V": "00 14 20",
    "W": "00 04 12 24 20",
    "X": "00 24|20 04",
    "Y": "00 12 20|12 14",
    "Z": "00 20 04 24",
    "a": "02 12 23 24 04 03 23",
    "b": "00 04 14 23 12 02",
    "c": "22 12 03 14 24",
    "d": "20 24 14 03 12 22",
    "e": "03 23 12 03 14 24",
    "h": "00 04|03 12 23 24",
    "i": "12 14|10 10",
    "k": "00 04|22 03 24",
    "l": "10 14",
    "n": "02 04|03 12 23 24",
    "o": "12 03 14 23 12",
    "r": "02 04|03 12 22",
    "s": "22 02 03 23 24 04",
    "t": "10 14 24|02 22",
    "u": "02 03 14 24 22",
    "v": "02 14 22",
    "1": "01 10 14",
    "2": "01 10 21 04 24",
    "3": "00 20 12 23 14 03",
    "4": "14 10 03 23",
    "5": "20 00 02 12 23 14 03",
    "6": "20 10 01 03 14 23 12 02",
    "7": "00 20 14",
    "8": "10 01 12 21 10|12 03 14 23 12",
    "9": "21 12 01 10 21 23 14 03",
}
_STROKES = [
    [[(int(point[1]) / 4, int(point[0]) / 2) for point in stroke.split()] for stroke in letter.split("|")]
    for letter in _LETTERS.values()
]


def text_pictures(count: int, size: tuple[int, int], *, seed: int = 0, first: int = 0) -> Iterator[Image.Image]:
    """Lines of text, one picture each; the arguments are those of `painted`."""
    return painted(_picture, count, size, seed=seed, first=first)


def pages(count: int, size: tuple[int, int], *, seed: int = 0, first: int = 0) -> Iterator[Image.Image]:
    """Pages full of lines of text, one picture each; the arguments are those of `painted`."""
    return painted(_page, count, size, seed=seed, first=first)


def _page(random: np.random.RandomState, height: int, width: int) -> Array:
    """Lines of letters on a page, light or dark, at a random contrast; uint8 of (height, width, 3)."""
    values, is_light = _inked(random, height, width, _lines)
    return exposed(random, values, _DARK_PAGE if is_light else _LIGHT_PAGE, _CONTRAST)


def _picture(random: np.random.RandomState, height: int, width: int) -> Array:
    """A line of letters, at a random mean and contrast; uint8 of (height, width, 3)."""
    values, _ = _inked(random, height, width, _line)
    return exposed(random, values, _MEAN, _CONTRAST)


def _inked(
    random: np.random.RandomState, height: int, width: int, draw: Callable[[np.random.RandomState, int, int], Array]
) -> tuple[Array, bool]:
    """What `draw` says that ink covers, on a ground of faint shapes.

    Returns:
        Values of any size, of shape (height, width, 3), and whether the ink is lighter than the ground.
    """
    ground = leaves(random, height, width) * random.uniform(0, 0.25) + colour(random)
    ink = draw(random, height, width)[..., None]
    shade = colour(random)
    is_light = bool(shade.mean() >= ground.mean())
    shade = shade + (1.0 if is_light else -1.0) * random.uniform(0.6, 1.2)
    values = ground * (1 - ink) + shade * ink
    return values + random.uniform(-1, 1, values.shape) * random.uniform(0, 0.15), is_light


def _lines(random: np.random.RandomState, height: int, width: int) -> Array:
    """How much of each pixel ink covers on a page of lines of one height, of shape (height, width)."""
    result = np.zeros((height, width))
    line = max(_LOWEST_LINE, round(height * random.uniform(*_LINES)))
    for top in range(random.randint(0, line), height - line + 1, line):
        # as those of a paragraph lines end anywhere; some are left out
        end = max(round(width * random.uniform(*_ENDS)), 0)
        result[top : top + line, :end] = _line(random, line, width)[:, :end]
    return result


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
    """Add a letter."""
    for points in _STROKES[random.randint(len(_STROKES))]:
        places = [(corner[0] + size[0] * down, corner[1] + size[1] * across) for down, across in points]
        for begin, end in pairwise(places):
            _draw_stroke(ink, begin, end, thickness)


def _draw_stroke(ink: Array, begin: tuple[float, float], end: tuple[float, float], thickness: float) -> None:
    rows, columns = np.arange(ink.shape[0])[:, None], np.arange(ink.shape[1])[None, :]
    (y, x), (to_y, to_x) = begin, end
    down, across = to_y - y, to_x - x
    length = down * down + across * across
    share = np.clip(((rows - y) * down + (columns - x) * across) / (length or 1.0), 0, 1)
    away = np.sqrt((rows - y - share * down) ** 2 + (columns - x - share * across) ** 2)
    np.maximum(ink, np.clip(thickness - away + 0.5, 0, 1), out=ink)
