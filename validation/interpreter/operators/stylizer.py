"""First and last operator of style transfer nets, between packed BGRA bytes and float images."""

import math
from collections.abc import Iterator
from itertools import cycle, islice

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator


@operator("PackedInt8BGRANHWCToNCHWCStylizerPreprocess", raw=True)
def preprocess(op: Operator, pixels: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """UINT8 (N, H, W, 4) as (N, 3, H, W) less the mean, plus the same noise on each image."""
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 4 or mean.shape != (3,):
        raise op.error(f"pixels {pixels.dtype} {pixels.shape} and mean {mean.shape}: expected bytes (N, H, W, 4) and 3")
    op.double = False
    image = pixels[..., :3].astype(np.float64) - mean
    deviation = float(np.float32(op.number("noise_std", 10.0)))
    if deviation:
        if op.seed is None:
            raise op.error("it adds random noise of no stated seed")
        period = list(islice(_normal(op.seed), op.integer("noise_size", 491)))
        image += deviation * np.fromiter(islice(cycle(period), image[0].size), np.float64).reshape(image.shape[1:])
    return np.moveaxis(image, 3, 1)


def _normal(seed: int) -> Iterator[float]:
    """The normal numbers of PyTorch's CPU generator, one after the other."""
    words = np.random.RandomState(seed)
    while True:
        turn, length = (int(word) % 2**24 / 2**24 for word in words.randint(0, 2**32, 2, dtype=np.uint32))
        radius = math.sqrt(-2 * math.log(1 - length))
        yield radius * math.cos(math.tau * turn)
        yield radius * math.sin(math.tau * turn)


@operator("BRGNCHWCToPackedInt8BGRAStylizerDeprocess")
def deprocess(op: Operator, image: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(N, 3, H, W) plus the mean as UINT8 (N, H, W, 4), truncated; the fourth channel is 255."""
    if image.ndim != 4 or image.shape[1] != 3 or mean.shape != (3,):
        raise op.error(f"image {image.shape} and mean {mean.shape}: expected (N, 3, H, W) and 3")
    shifted = (image.astype(np.float32) + mean.astype(np.float32).reshape(3, 1, 1)).clip(0, 255)
    colours = np.moveaxis(shifted, 1, 3).astype(np.uint8)
    return np.concatenate([colours, np.full((*colours.shape[:3], 1), 255, np.uint8)], axis=3)
