"""Runs of rows and their sums."""

import numpy as np

from tests.caffe2_cases.case import Data, case

DATA = Data(9)
LENGTHS = np.int32([1, 3, 0, 2])
INDICES = np.int64([4, 0, 0, 2, 1, 3])
SORTED = np.int32([0, 0, 1, 1, 2])

CASES = [
    case("LengthsToSegmentIds", LENGTHS),
    case("LengthsRangeFill", LENGTHS),
    case("LengthsTile", DATA.floats(4, 2), LENGTHS),
    case("SegmentIdsToLengths", np.int32([0, 0, 1, 3])),
    *(case(f"Lengths{kind}", DATA.floats(6, 3), LENGTHS) for kind in ("Sum", "Mean", "Max")),
    *(case(f"SparseLengths{kind}", DATA.floats(5, 3), INDICES, LENGTHS) for kind in ("Sum", "Mean")),
    case("SparseLengthsSum", DATA.floats(5, 3).astype(np.float16), INDICES, LENGTHS),
    case("SparseLengthsMax", DATA.floats(5, 3), INDICES, LENGTHS, real=False),
    case("LengthsWeightedSum", DATA.floats(6, 3), DATA.floats(6), LENGTHS),
    case("SparseLengthsWeightedSum", DATA.floats(5, 3), DATA.floats(6), INDICES, LENGTHS),
    case("SortedSegmentSum", DATA.floats(5, 3), SORTED),
    case("SortedSegmentMean", DATA.floats(5, 3), SORTED),
    case("UnsortedSegmentSum", DATA.floats(5, 3), np.int32([2, 0, 2, 0, 4])),
    case("UnsortedSegmentSum", DATA.floats(5, 3), np.int32([2, 0, 2, 0, 1]), num_segments=6),
    case("UnsortedSegmentMean", DATA.floats(5, 3), np.int32([2, 0, 2, 0, 4])),
]
