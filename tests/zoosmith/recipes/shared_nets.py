"""Published nets of `../shared/caffe2_zoo` with seeded parameters."""

import json
from functools import cache
from pathlib import Path

import numpy as np

from tests.shared_data import SHARED

ZOO = SHARED / "caffe2_zoo"


def net_file(net: str) -> Path:
    return next(path for path in (ZOO / net / "predict_net.pb", ZOO / net / "predict_net.pbtxt") if path.exists())


@cache
def shapes(net: str) -> dict[str, tuple[int, ...]]:
    return {blob: tuple(shape) for blob, shape in json.loads((ZOO / net / "shapes.json").read_text()).items()}


def parameters(net: str, seed: int = 0) -> dict[str, np.ndarray]:
    """He-scaled filters and small biases."""
    stream = np.random.RandomState(seed)
    made = {}
    for blob, shape in shapes(net).items():
        reach = np.sqrt(6 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        made[blob] = ((stream.random_sample(shape) * 2 - 1) * reach).astype(np.float32)
    return made
