"""Hashes by which samples are known again."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zoosmith.onnx_model.constants import Array
from zoosmith.validation.reading.preprocess import ToArray

if TYPE_CHECKING:
    from PIL.Image import Image

# hexadecimal digits of a hash: of a million images and a thousand samples, two are alike by chance once in 280,000
DIGITS = 12


def array_digest(array: Array) -> str:
    """The hash of an array's type, shape and bytes."""
    return _digest(f"{array.dtype.str}{array.shape}".encode(), array.tobytes())


class PixelDigest:
    """A preprocessing that hashes the pixels of the picture which it is given.

    Args:
        preprocess: what it does else.

    Attributes:
        digest: of the last picture.
    """

    def __init__(self, preprocess: ToArray) -> None:
        self._preprocess = preprocess
        self.digest = ""

    def __call__(self, image: "Image", size: tuple[int, int]) -> NDArray[np.float32]:
        """Do as the preprocessing does."""
        result = self._preprocess(image, size)
        self.digest = _digest(f"pixels {image.width} x {image.height}".encode(), image.convert("RGB").tobytes())
        return result


def _digest(kind: bytes, content: bytes) -> str:
    return hashlib.sha256(kind + content).hexdigest()[:DIGITS]
