"""From a picture to what a classifier reads: resize, centre crop, channel order, and one affine step a channel.

A pixel's byte goes through `(byte / divisor - mean) * scale`, worked out in float64 and rounded once to float32. So a
channel has 256 possible values, the same on every machine, and is looked up in a table of them.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zoosmith.validation.errors import ValidationError

if TYPE_CHECKING:
    from PIL.Image import Image

# A picture and the (height, width) that a model reads, to float32 [3, height, width].
ToArray = Callable[["Image", tuple[int, int]], NDArray[np.float32]]

# The short side an image is brought to, over the side that is cut from it: 256 for 224.
MARGIN = 256 / 224

# Pixels of a resized image, as many as Pillow opens without a warning.
_LARGEST = 89_478_485


@dataclass(frozen=True)
class Preprocess:
    """How images become the input of a model; `mean` and `scale` are in the order in which it reads channels."""

    name: str
    bgr: bool = False
    divisor: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __call__(self, image: "Image", size: tuple[int, int]) -> NDArray[np.float32]:
        """Give `image` (any 8-bit mode, transparency dropped) as float32 [3, height, width], `size` (height, width).

        Raises ValidationError for pixels of more than 8 bits, whose range is unknown, and for images of a shape that
        would fill the memory when its shorter side is brought to size.
        """
        pixels = np.asarray(_centre(_rgb(image), size))
        planes = pixels[..., ::-1] if self.bgr else pixels
        result = np.empty((3, *size), np.float32)
        for channel, table in enumerate(self._tables):
            # no byte is beyond the table; this mode looks them up without a check and a copy
            np.take(table, planes[..., channel], out=result[channel], mode="wrap")
        return result

    @cached_property
    def _tables(self) -> list[NDArray[np.float32]]:
        levels = np.arange(256, dtype=np.float64) / self.divisor
        return [((levels - mean) * scale).astype(np.float32) for mean, scale in zip(self.mean, self.scale, strict=True)]

    def describe(self, size: tuple[int, int] = (224, 224)) -> str:
        """Say in one sentence what is done to an image for a model that reads `size` (height, width)."""
        height, width = size
        short = (
            f"{_resized(height)}" if height == width else f"{_resized(height)} (height) or {_resized(width)} (width)"
        )
        steps = [
            "Decode to 8-bit RGB",
            f"resize (bilinear, antialiased) so that the shorter side is {short} pixels",
            f"cut the {height} x {width} centre",
        ]
        if self.bgr:
            steps.append("order the channels B, G, R")
        if self.divisor != 1:
            steps.append(f"divide by {self.divisor:g}")
        if any(self.mean):
            steps.append(f"subtract {_values(self.mean)}")
        if self.scale != (1.0, 1.0, 1.0):
            steps.append(f"multiply by {_values(self.scale)}")
        return ", ".join([*steps, f"lay out as float32 [N, 3, {height}, {width}]"]) + "."


def _rgb(image: "Image") -> "Image":
    if image.mode[0] in "IF":
        raise ValidationError(f"pixels of mode {image.mode}, expected 8 bits a channel: save it as an 8-bit image")
    return image.convert("RGB")


def _values(channels: tuple[float, float, float]) -> str:
    numbers = [f"{value:.6g}" for value in channels]
    return numbers[0] if len(set(numbers)) == 1 else "[" + ", ".join(numbers) + "] by channel"


def _resized(side: int) -> int:
    return round(side * MARGIN)


def _centre(image: "Image", size: tuple[int, int]) -> "Image":
    from PIL.Image import Resampling

    height, width = size
    # the side that is shorter, measured in crops, is the one that decides; truncation as torchvision has it
    if image.height * width <= image.width * height:
        target = (int(_resized(height) * image.width / image.height), _resized(height))
    else:
        target = (_resized(width), int(_resized(width) * image.height / image.width))
    if target[0] * target[1] > _LARGEST:
        raise ValidationError(
            f"{image.width} x {image.height} pixels are too elongated to be cut to {width} x {height}"
        )
    if target != image.size:
        image = image.resize(target, Resampling.BILINEAR)
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


# Name -> preprocessing; a new one is one entry.
PREPROCESSINGS = {
    entry.name: entry
    for entry in (
        # the Caffe weights of DenseNet, by their authors
        Preprocess("caffe-densenet", bgr=True, mean=(103.94, 116.78, 123.68), scale=(0.017, 0.017, 0.017)),
        # the Caffe weights of VGG and ResNet
        Preprocess("caffe", bgr=True, mean=(103.939, 116.779, 123.68)),
        Preprocess("torchvision", divisor=255.0, mean=(0.485, 0.456, 0.406), scale=(1 / 0.229, 1 / 0.224, 1 / 0.225)),
        # Inception and MobileNet of TensorFlow: -1 to 1
        Preprocess("tensorflow", divisor=127.5, mean=(1.0, 1.0, 1.0)),
        # 0 to 1
        Preprocess("unit", divisor=255.0),
        Preprocess("none"),
    )
}


def preprocessing(name: str) -> Preprocess:
    """Choose a preprocessing by its name.

    Args:
        name: one of PREPROCESSINGS.

    Returns:
        The preprocessing.

    Raises:
        ValidationError: none is called so; the message lists the names.
    """
    if name not in PREPROCESSINGS:
        raise ValidationError(f"no preprocessing is called {name!r}: choose one of {', '.join(PREPROCESSINGS)}")
    return PREPROCESSINGS[name]


@dataclass(frozen=True)
class Disturbed:
    """A preprocessing that disturbs the picture first: data near, but not among, what a model was trained on.

    `kind` is one of DISTURBANCES; the noise is chosen by `seed` and the picture, so that every model sees the same.
    """

    preprocess: Preprocess
    kind: str
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in DISTURBANCES:
            raise ValidationError(f"no disturbance is called {self.kind!r}: choose one of {', '.join(DISTURBANCES)}")

    def __call__(self, image: "Image", size: tuple[int, int]) -> NDArray[np.float32]:
        """Do as `Preprocess` does, with the disturbed picture."""
        from PIL import Image

        pixels = np.asarray(_rgb(image))
        stream = np.random.RandomState([self.seed, zlib.crc32(pixels.tobytes())])
        disturbed = DISTURBANCES[self.kind](pixels.astype(np.float64), stream)
        return self.preprocess(Image.fromarray(disturbed.round().clip(0, 255).astype(np.uint8)), size)


# Name -> what it does to the bytes of a picture, [height, width, 3].
DISTURBANCES: dict[str, Callable[[NDArray[np.float64], np.random.RandomState], NDArray[np.float64]]] = {
    "brightened": lambda pixels, stream: pixels * 1.3,
    "darkened": lambda pixels, stream: pixels * 0.7,
    "noised": lambda pixels, stream: pixels + stream.uniform(-24, 24, pixels.shape),
}
