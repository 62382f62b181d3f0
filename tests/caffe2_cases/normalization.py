"""Normalizations, and what scales channels."""

from tests.caffe2_cases.case import Data, case

DATA = Data(5)
_FOUR = [DATA.fractions(3) for _ in range(4)]

CASES = [
    case("SpatialBN", DATA.floats(2, 3, 4, 4), *_FOUR, is_test=1, epsilon=0.01),
    case("SpatialBN", DATA.floats(2, 4, 4, 3), *_FOUR, is_test=1, order="NHWC"),
    case("LRN", DATA.floats(2, 6, 3, 3), size=3, alpha=0.5, beta=0.75, bias=2.0),
    case("LRN", DATA.floats(2, 6, 3, 3), size=4, alpha=0.5, beta=0.75),
    case("LRN", DATA.floats(2, 6, 3, 3), size=3),
    case("InstanceNorm", DATA.floats(2, 3, 4, 5), DATA.floats(3), DATA.floats(3), epsilon=0.01),
    case("InstanceNorm", DATA.floats(2, 4, 5, 3), DATA.floats(3), DATA.floats(3), order="NHWC"),
    case("GroupNorm", DATA.floats(2, 6, 4, 5), DATA.floats(6), DATA.floats(6), group=3),
    case("GroupNorm", DATA.floats(2, 4, 5, 6), DATA.floats(6), DATA.floats(6), group=2, order="NHWC"),
    case("LayerNorm", DATA.floats(2, 3, 4), outputs=3, axis=2),
    case("LayerNorm", DATA.floats(2, 3, 4), DATA.floats(3, 4), DATA.floats(3, 4), outputs=3, elementwise_affine=1),
    case("RMSNorm", DATA.floats(3, 4), DATA.floats(4), DATA.floats(4), outputs=2, axis=1, eps=1e-5),
    case("RMSNorm", DATA.floats(3, 4, 2), DATA.floats(8), DATA.floats(8), outputs=2, axis=1, eps=1e-5),
    case("AffineChannel", DATA.floats(2, 3, 4, 4), DATA.floats(3), DATA.floats(3)),
    case("ElementwiseLinear", DATA.floats(2, 12), DATA.floats(12), DATA.floats(12)),
    case("Normalize", DATA.floats(2, 3, 4)),
    case("NormalizeL1", DATA.floats(2, 3, 4)),
]
