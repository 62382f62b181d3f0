"""What makes tensors and changes their element type."""

import numpy as np

from tests.caffe2_cases.case import Data, OperatorCase, case
from tests.validation.caffe2_nets import net_of

DATA = Data(11)


def _bytes() -> OperatorCase:
    net = net_of(("GivenTensorByteStringToUInt8Fill", "", "o0", {"shape": [4]}), inputs="", outputs="o0")
    net.op[0].arg.add(name="values", strings=[bytes([0, 7, 200, 255])])
    return OperatorCase("GivenTensorByteStringToUInt8Fill", net, {})


CASES = [
    case("ConstantFill", shape=[2, 3], value=1.5),
    case("ConstantFill", shape=[2], value=3),
    case("ConstantFill", DATA.floats(2, 3), value=1.5, extra_shape=[2]),
    case("ConstantFill", np.int64([2, 3]), parameters=1, input_as_shape=1, value=2.5),
    case("GivenTensorFill", shape=[2, 2], values=[1.0, 2.0, -3.0, 0.5]),
    case("GivenTensorDoubleFill", shape=[2], values=[1.0, 0.1]),
    *(case(f"GivenTensor{kind}Fill", shape=[3], values=[0, 1, 7]) for kind in ("Int16", "Int", "Int64")),
    case("GivenTensorBoolFill", shape=[3], values=[0, 1, 1]),
    _bytes(),
    case("DiagonalFill", shape=[3, 3], value=2.5),
    case("RangeFill", shape=[2, 3]),
    case("Range", np.int64([1]), np.int64([9]), np.int64([3])),
    case("Range", np.int32([9]), np.int32([0]), np.int32([-2])),
    case("Range", np.float32([5])),
    case("Cast", DATA.floats(3, 4), to="int32"),
    case("Cast", DATA.floats(3, 4), to=10),
    case("FloatToHalf", DATA.floats(3, 4)),
    case("HalfToFloat", DATA.floats(3, 4).astype(np.float16)),
    case("NanCheck", DATA.floats(3, 2)),
]
