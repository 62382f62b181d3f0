"""Segments in padded tensors, and rows written over others."""

import numpy as np

from tests.caffe2_cases.case import Data, OperatorCase, case
from tests.validation.caffe2_nets import net_of

DATA = Data(24)
LENGTHS = np.int32([1, 3, 0, 2])
ROWS = DATA.floats(6, 2)


def scatter(rows: np.ndarray, indices: np.ndarray, slices: np.ndarray, label: str) -> OperatorCase:
    """ScatterAssign, which has to write over its first input."""
    net = net_of(("ScatterAssign", "rows indices slices", "rows"), inputs="rows indices slices", outputs="rows")
    return OperatorCase("ScatterAssign", net, {"rows": rows, "indices": indices, "slices": slices}, label=label)


CASES = [
    case("PackSegments", LENGTHS, ROWS),
    case("PackSegments", LENGTHS.astype(np.int64), ROWS, pad_minf=1),
    case("PackSegments", LENGTHS, ROWS, outputs=2, return_presence_mask=1),
    case("PackSegments", LENGTHS, ROWS, outputs=2, return_presence_mask=1, max_length=2),
    case("PackSegments", LENGTHS, DATA.floats(6), max_length=5),
    case("PackSegments", LENGTHS, DATA.integers(6, 2, 2), pad_minf=1),
    case("PackSegments", LENGTHS, DATA.integers(6, dtype=np.int32)),
    case("PackSegments", np.zeros(3, np.int32), ROWS[:0]),
    case("PackSegments", np.zeros(0, np.int32), ROWS[:0]),
    case("UnpackSegments", LENGTHS, DATA.floats(4, 3, 2)),
    case("UnpackSegments", LENGTHS.astype(np.int64), DATA.integers(4, 3)),
    case("UnpackSegments", LENGTHS, DATA.floats(4, 5, 2), max_length=5),
    case("UnpackSegments", np.zeros(2, np.int32), np.zeros((2, 0, 2), np.float32)),
    case("UnpackSegments", np.zeros(0, np.int32), np.zeros((0, 3, 2), np.float32)),
    scatter(DATA.floats(4, 2), np.int64([1, 3]), DATA.floats(2, 2), "ScatterAssign"),
    scatter(DATA.floats(4, 2), np.int32([1, 3, 1]), DATA.floats(3, 2), "ScatterAssign twice to one row"),
    scatter(DATA.integers(4), np.int32([[3], [0]]), DATA.integers(2), "ScatterAssign of integers"),
    scatter(DATA.floats(4, 2), np.zeros(0, np.int32), np.zeros((0, 2), np.float32), "ScatterAssign of nothing"),
]
