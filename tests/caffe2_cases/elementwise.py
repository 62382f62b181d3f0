"""Operators of two and more operands, with Caffe2's ways to broadcast."""

import numpy as np

from tests.caffe2_cases.case import Data, case

DATA = Data(2)

CASES = [
    *(
        case(kind, DATA.floats(2, 3, 4, 5), DATA.fractions(3, 4), broadcast=1, axis=1)
        for kind in ("Add", "Sub", "Mul", "Div")
    ),
    *(case(kind, DATA.integers(4, 3, high=3), DATA.integers(4, 3, high=3)) for kind in ("EQ", "NE")),
    *(case(kind, DATA.floats(3, 4), DATA.floats(3, 4)) for kind in ("LT", "LE", "GT", "GE", "Sum", "Max", "Min")),
    *(case(kind, DATA.booleans(3, 4), DATA.booleans(3, 4)) for kind in ("And", "Or", "Xor")),
    *(
        case(kind, DATA.integers(3, 4, high=64, dtype=np.int32), DATA.integers(3, 4, high=64, dtype=np.int32))
        for kind in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")
    ),
    case("Not", DATA.booleans(5)),
    case("Add", DATA.floats(2, 3, 4, 5), DATA.floats(4, 5), broadcast=1),
    case("Add", DATA.floats(2, 3, 4, 5), DATA.floats(1, 4, 1), broadcast=1, axis=1),
    case("Add", DATA.floats(3), DATA.floats(1, 1, 1), broadcast=1),
    case("Add", DATA.floats(2, 3, 4, 5), DATA.floats(5), broadcast=1, axis_str="C", order="NHWC"),
    case("Mul", DATA.floats(2, 1, 4), DATA.floats(3, 1), axis=1),
    case("Div", np.int64([7, -7, 7, -7]), np.int64([2, 2, -2, -2])),
    case("Mean", DATA.floats(3, 4), DATA.floats(3, 4)),
    case("Sum", DATA.floats(3, 4), DATA.floats(3, 4), DATA.floats(3, 4)),
    case("SumInt", np.int32([1, 2]), np.int32([5, 6])),
    case("SumRelu", DATA.floats(3, 4), DATA.floats(3, 4), DATA.floats(3, 4)),
    case("WeightedSum", DATA.floats(3, 4), DATA.floats(1), DATA.floats(3, 4), DATA.floats(1)),
    case("Pow", DATA.fractions(3, 4), exponent=1.7),
    case("Pow", DATA.fractions(3, 4), DATA.fractions(3), broadcast=1, axis=0),
    case("RowMul", DATA.floats(4, 3, 2), DATA.floats(4)),
    case("Where", DATA.booleans(3, 4), DATA.floats(3, 4), DATA.floats(3, 4)),
    case("Where", DATA.booleans(3), DATA.floats(3, 4), DATA.floats(3, 4), broadcast_on_rows=1),
]
