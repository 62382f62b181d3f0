"""Matrix products and distances."""

from tests.caffe2_cases.case import Data, case

DATA = Data(4)

CASES = [
    case("FC", DATA.floats(2, 3, 4), DATA.floats(5, 12), DATA.floats(5)),
    case("FC", DATA.floats(2, 3, 4), DATA.floats(5, 4), DATA.floats(5), axis=2),
    case("FC", DATA.floats(2, 12), DATA.floats(2, 3, 12), DATA.floats(6), axis_w=2),
    case("FC", DATA.floats(6), DATA.floats(5, 6), DATA.floats(5), axis=0),
    case("FCTransposed", DATA.floats(2, 3, 4), DATA.floats(12, 5), DATA.floats(5)),
    case("MatMul", DATA.floats(2, 3, 4), DATA.floats(5, 12), trans_b=1),
    case("MatMul", DATA.floats(3, 2), DATA.floats(3, 4), trans_a=1),
    case("BatchMatMul", DATA.floats(2, 4, 3), DATA.floats(2, 5, 4), trans_a=1, trans_b=1),
    case("BatchMatMul", DATA.floats(2, 1, 3, 4), DATA.floats(3, 4, 5), broadcast=1),
    case("BatchMatMul", DATA.floats(4), DATA.floats(4)),
    case("DotProduct", DATA.floats(3, 4), DATA.floats(3, 4)),
    case("CosineSimilarity", DATA.floats(4, 5), DATA.floats(4, 5)),
    case("L1Distance", DATA.floats(4, 5), DATA.floats(4, 5)),
    case("L1Distance", DATA.floats(4, 2, 3), DATA.floats(4, 2, 3)),
    case("SquaredL2Distance", DATA.floats(4, 5), DATA.floats(4, 5)),
]
