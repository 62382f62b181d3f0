"""Regions that are turned, or whose bins have channels of their own."""

import numpy as np

from tests.caffe2_cases.case import Data, case

DATA = Data(22)
IMAGE = DATA.floats(2, 3, 8, 10)
TURNED = np.float32(
    [[0, 4, 4, 6, 4, 30], [1, 2, 3, 5, 7, -45], [0, 20, 20, 3, 3, 10], [0, 1, 1, 0.2, 0.3, 90], [1, 0, 0, 9, 9, 200]]
)
# the first bins of the second region lie outside of the image
POSITIONS = np.float32([[0, 0, 0, 3, 3], [0, -3, 1, 0, 2]])

CASES = [
    case("RoIAlignRotated", IMAGE, TURNED, pooled_h=2, pooled_w=3),
    case("RoIAlignRotated", IMAGE, TURNED, pooled_h=2, pooled_w=2, sampling_ratio=2, spatial_scale=0.5),
    case("RoIAlignRotated", IMAGE, TURNED, pooled_h=3, pooled_w=1, aligned=1),
    case("RoIAlignRotated", IMAGE, TURNED[:, 1:], pooled_h=2, pooled_w=2),
    case("RoIAlignRotated", DATA.floats(2, 8, 10, 3), TURNED, pooled_h=2, pooled_w=2, order="NHWC"),
    case("RoIAlignRotated", IMAGE, TURNED[:0], pooled_h=2, pooled_w=2),
    case(
        "PSRoIPool",
        np.arange(64, dtype=np.float32).reshape(1, 4, 4, 4),
        POSITIONS,
        outputs=2,
        group_size=2,
        output_dim=1,
        spatial_scale=1.0,
        real=False,
    ),
]
