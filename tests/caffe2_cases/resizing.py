"""Images made larger and smaller."""

import numpy as np

from tests.caffe2_cases.case import Data, case

DATA = Data(10)

CASES = [
    case("ResizeNearest", DATA.floats(1, 2, 4, 5), width_scale=1.5, height_scale=2.0),
    case("ResizeNearest", DATA.floats(1, 5, 5, 2), width_scale=0.7, height_scale=0.5, order="NHWC"),
    case("ResizeNearest", DATA.floats(1, 2, 4, 5), np.float32([2, 1.5]), parameters=1),
    case("ResizeNearest3D", DATA.floats(1, 2, 4, 3, 2), temporal_scale=2.0, height_scale=2.0, width_scale=2.0),
    case("UpsampleBilinear", DATA.floats(1, 2, 3, 4), width_scale=2.0, height_scale=3.0),
    case("UpsampleNearest", np.float32([[[[1, 2], [3, 4]]]]), scale=2, real=False),
]
