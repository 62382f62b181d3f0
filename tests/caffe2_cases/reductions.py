"""Reductions, places of extremes, and counts."""

import numpy as np

from tests.caffe2_cases.case import Data, case

DATA = Data(6)

CASES = [
    *(
        case(kind, DATA.floats(2, 3, 4), axes=[0, -1], keepdims=0)
        for kind in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2")
    ),
    case("ReduceL2", DATA.floats(2, 3, 4), axes=[1]),
    *(
        case(f"Reduce{end}{kind}", DATA.floats(2, 3, 4), num_reduce_dim=2)
        for end in ("Front", "Back")
        for kind in ("Sum", "Mean", "Max")
    ),
    case("ReduceFrontMax", DATA.floats(2, 3, 4), num_reduce_dim=3),
    case("ReduceTailSum", DATA.floats(3, 4, 2)),
    case("ArgMax", DATA.floats(2, 3, 4), axis=1, keepdims=0),
    case("ArgMin", DATA.floats(2, 3, 4)),
    case("TopK", DATA.floats(3, 5), outputs=2, k=2),
    case("TopK", DATA.floats(2, 3, 2), outputs=2, k=5, axis=1),
    case("SumElements", DATA.floats(3, 4)),
    case("SumElements", DATA.floats(3, 4), average=1),
    case("SumSqrElements", DATA.floats(3, 4)),
    case("SumElementsInt", np.int32([[1, 2], [3, 4]])),
    case("AveragedLoss", DATA.floats(7)),
    case("Moments", DATA.floats(2, 3, 4), outputs=2, axes=[1]),
    case("LpNorm", DATA.floats(3, 4)),
    case("LpNorm", DATA.floats(3, 4), p=1, average=1),
    case("RowwiseMax", DATA.floats(2, 3, 4)),
    case("ColwiseMax", DATA.floats(2, 3, 4)),
]
