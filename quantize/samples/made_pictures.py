"""Made-up pictures of three kinds, by number: of natural statistics, lines of text, and text in scenes and on pages."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from PIL import Image

from zoosmith.quantize.samples.natural_images import natural_images
from zoosmith.quantize.samples.text_pictures import pages, text_pictures
from zoosmith.validation.reading.preprocess import MARGIN

NATURAL, LINES, SCENES = "natural", "lines", "scenes"
KINDS = {
    NATURAL: "natural pictures",
    LINES: "lines of text",
    SCENES: "natural pictures with text in them, and pages",
}
"""Kind -> what messages call it."""

# of how many sorts the pictures of a kind are, where they are of more than one: `scenes` makes them in turns
_SORTS = {SCENES: 2}

# of 192 kB each: 50 MB in all
_KEPT = 256

# widths in heights from which an input is one of lines of text. Calibrated on such pictures, three PP-OCR nets come
# nearer to their float outputs on lines of real text (the cosines are in docs/integer-models-measured.md)
_WIDE = 2

# lines of a scene, their heights in heights of the picture, and widths in heights of the line
_MOST_LINES = 5
_LOWEST, _HIGHEST = 0.05, 0.17
_SHORTEST, _LONGEST = 2, 12


def made_pictures(size: tuple[int, int], seed: int = 0, kind: str | None = None) -> "MadePictures":
    """The made-up pictures of these arguments, which are those of `MadePictures`: those of each kind are made once."""
    kind = kind or usual_kind(size)
    # natural ones are of one size, whatever the input's
    return _of_kind((256, 256) if kind == NATURAL else size, seed, kind)


def usual_kind(size: tuple[int, int]) -> str:
    """The kind that fits an input of a height and width, where nothing else is known."""
    height, width = size
    return NATURAL if width < _WIDE * height else LINES


def fitting_kinds(size: tuple[int, int]) -> list[str]:
    """The kinds that an input of a height and width may be for: a line of text has no place in one that is not wide."""
    return [kind for kind in KINDS if kind != LINES or usual_kind(size) == LINES]


class MadePictures:
    """Made-up pictures by their numbers; the first ones are kept, since calibration goes over them repeatedly.

    Args:
        size: height and width of the input that they are for.
        seed: chooses them.
        kind: one of KINDS; by default the one that is usual for the size.

    Attributes:
        sorts: of how many sorts they are, in turns.
    """

    def __init__(self, size: tuple[int, int], seed: int = 0, kind: str | None = None) -> None:
        self._size, self._seed = size, seed
        self._kind = kind or usual_kind(size)
        self.sorts = _SORTS.get(self._kind, 1)
        self._kept: dict[int, Image.Image] = {}

    def __getitem__(self, number: int) -> Image.Image:
        if number not in self._kept:
            picture = next(self._made(number))
            if number >= _KEPT:
                return picture
            self._kept[number] = picture
        return self._kept[number]

    def _made(self, number: int) -> Iterator[Image.Image]:
        if self._kind == NATURAL:
            return natural_images(1, seed=self._seed, first=number)
        # with the margin that the preprocessing cuts off
        height, width = self._size
        with_margin = round(height * MARGIN), round(width * MARGIN)
        make = text_pictures if self._kind == LINES else scenes
        return make(1, with_margin, seed=self._seed, first=number)


@lru_cache(len(KINDS))
def _of_kind(size: tuple[int, int], seed: int, kind: str) -> MadePictures:
    return MadePictures(size, seed, kind)


def scenes(count: int, size: tuple[int, int], *, seed: int = 0, first: int = 0) -> Iterator[Image.Image]:
    """Pictures as nets that find text are trained on: of even numbers scenes with text, of odd ones pages of text.

    The arguments are those of `natural_images`.
    """
    for index in range(first, first + count):
        [picture] = pages(1, size, seed=seed, first=index) if index % 2 else [_scene(size, seed, index)]
        yield picture


def _scene(size: tuple[int, int], seed: int, index: int) -> Image.Image:
    """A natural picture with a few lines of text in it."""
    height, width = size
    picture = next(natural_images(1, size, seed=seed, first=index))
    random = np.random.RandomState([seed, index, 1])
    for line in range(random.randint(1, _MOST_LINES + 1)):
        high = max(8, round(height * random.uniform(_LOWEST, _HIGHEST)))
        wide = min(width, round(high * random.uniform(_SHORTEST, _LONGEST)))
        [text] = text_pictures(1, (high, wide), seed=seed, first=index * _MOST_LINES + line)
        picture.paste(text, (random.randint(0, width - wide + 1), random.randint(0, max(1, height - high + 1))))
    return picture
