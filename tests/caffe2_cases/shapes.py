"""What gives elements another shape or place, and what passes them on."""

import numpy as np

from tests.caffe2_cases.case import Data, OperatorCase, case
from tests.validation.caffe2_nets import net_of

DATA = Data(7)
_PASSED_ON = ["Copy", "StopGradient", "EnsureCPUOutput", "EnsureDense", "CopyFromCPUInput", "Alias"]


def _without_output(operator: str) -> OperatorCase:
    """An operator that only looks at a blob, which another one passes on."""
    net = net_of(("Copy", "i0", "o0"), (operator, "o0", "", {}), inputs="i0", outputs="o0")
    return OperatorCase(operator, net, {"i0": DATA.floats(2, 3)})


CASES = [
    *(_without_output(kind) for kind in ("EnforceFinite", "Print")),
    *(case(kind, DATA.floats(2, 3, 4)) for kind in _PASSED_ON),
    # the other device's copies exist in builds with CUDA alone
    *(case(kind, DATA.floats(2, 3, 4), real=False) for kind in ("CopyCPUToGPU", "CopyGPUToCPU")),
    case("AliasWithName", DATA.floats(3), name="q"),
    case("Reshape", DATA.floats(2, 3, 4), outputs=2, shape=[0, -1]),
    case("ResizeLike", DATA.floats(2, 3, 4), DATA.floats(4, 6)),
    case("Flatten", DATA.floats(2, 3, 4)),
    case("Flatten", DATA.floats(2, 3, 4), axis=2),
    case("FlattenToVec", DATA.floats(2, 3, 4)),
    case("MergeDim", DATA.floats(2, 3, 4)),
    case("PrependDim", DATA.floats(6, 2), dim_size=3),
    case("Squeeze", DATA.floats(2, 1, 3, 1), dims=[1, 3]),
    case("ExpandDims", DATA.floats(2, 3), dims=[3, 0]),
    case("Transpose", DATA.floats(2, 3, 4)),
    case("Transpose", DATA.floats(2, 3, 4), axes=[1, 2, 0]),
    case("NCHW2NHWC", DATA.floats(2, 3, 4, 5)),
    case("NHWC2NCHW", DATA.floats(2, 3, 4, 5)),
    case("Shape", DATA.floats(2, 3, 4)),
    case("Shape", DATA.floats(2, 3, 4), axes=[2, 0]),
    case("Size", DATA.floats(2, 3, 4)),
    case("Tile", DATA.floats(2, 3), tiles=3, axis=1),
    case("Tile", DATA.floats(2, 3), np.int32([2]), axis=1),
    case("NumpyTile", DATA.floats(2, 3), np.int64([2, 3])),
    case("Expand", DATA.floats(2, 1), np.int64([3, 1, 4])),
    case("ChannelShuffle", DATA.floats(2, 6, 3, 3), group=3),
    case("ChannelShuffle", DATA.floats(2, 3, 3, 6), group=2, order="NHWC"),
    case("SpaceToBatch", DATA.floats(2, 3, 4, 6), block_size=2),
    case("SpaceToBatch", DATA.floats(2, 3, 4, 6), block_size=2, pad=2),
    case("BatchToSpace", DATA.floats(8, 3, 2, 3), block_size=2),
    case("BatchToSpace", DATA.floats(8, 3, 2, 3), block_size=2, pad=1),
    case("PadImage", DATA.floats(1, 2, 4, 4), pads=[1, 0, 2, 1], mode="reflect"),
    case("PadImage", DATA.floats(1, 4, 4, 2), pad=1, mode="edge", order="NHWC"),
    case("PadImage", DATA.floats(1, 2, 4, 4), pad_t=-1, pad_l=1, pad_b=0, pad_r=2, value=0.5),
]
