"""What joins, cuts and picks."""

import numpy as np

from tests.caffe2_cases.case import Data, case

DATA = Data(8)

CASES = [
    case("Concat", DATA.floats(2, 3), DATA.floats(2, 4), outputs=2),
    case("Concat", DATA.floats(2, 3), DATA.floats(2, 3), outputs=2, axis=-1, add_axis=1),
    case("DepthConcat", DATA.floats(2, 3, 4, 4), DATA.floats(2, 5, 4, 4), outputs=2),
    case("Split", DATA.floats(2, 6), outputs=2),
    case("Split", DATA.floats(2, 2, 3), outputs=2, axis=1, add_axis=1),
    case("Split", DATA.floats(1, 2, 3, 4), outputs=2, order="NHWC", split=[1, 3]),
    case("DepthSplit", DATA.floats(2, 3, 4, 4), outputs=2, split=[1, 2]),
    case("SplitByLengths", DATA.floats(6, 2), np.int32([2, 4]), outputs=2, parameters=1, axis=0),
    case("Slice", DATA.floats(4, 5), starts=[0, -4], ends=[-1, -2]),
    case("Slice", DATA.floats(4, 5), starts=[1, 0], ends=[9, -1]),
    case("Gather", DATA.floats(5, 3), np.int64([[4, 0], [2, 2]])),
    case("Gather", DATA.floats(5, 3), np.int32([2, 0]), axis=1),
    case("BatchGather", DATA.floats(2, 5, 3), np.int64([4, 0, 2])),
    case("BatchPermutation", DATA.floats(3, 2), np.int32([2, 0, 1])),
    case("OneHot", np.int64([1, 0, 3]), np.int64([4]), parameters=1),
    case("BatchOneHot", DATA.integers(4, 3, high=3), np.int32([2, 0, 3]), np.int64([0, 2, 1, 0, 2]), parameters=2),
    case("Glu", DATA.floats(2, 6), dim=1),
]
