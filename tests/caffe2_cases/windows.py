"""Convolutions and pools."""

from tests.caffe2_cases.case import Data, case

DATA = Data(3)
_POOLS: list[dict[str, object]] = [
    {"kernel": 3, "stride": 2, "pad": 1},
    {"kernel": 3, "stride": 2, "legacy_pad": 3},
    {"kernel": 2, "stride": 2, "pad": 1, "legacy_pad": 3},
    {"kernel": 3, "stride": 2, "legacy_pad": 2},
    {"kernel_h": 3, "kernel_w": 2, "pad_t": 0, "pad_l": 1, "pad_b": 2, "pad_r": 0},
    {"global_pooling": 1},
    {"kernel": 3, "order": "NHWC"},
]

CASES = [
    case("Conv", DATA.floats(1, 4, 7, 6), DATA.floats(3, 4, 3, 3), DATA.floats(3), kernel=3, pad=1, stride=2),
    case("Conv", DATA.floats(1, 4, 7, 6), DATA.floats(6, 2, 3, 2), kernel_h=3, kernel_w=2, group=2, dilation=2),
    case("Conv", DATA.floats(1, 4, 7, 6), DATA.floats(3, 4, 3, 3), kernels=[3, 3], pads=[1, 0, 2, 1]),
    case("Conv", DATA.floats(1, 4, 8, 6), DATA.floats(3, 4, 3, 3), kernel=3, stride=2, legacy_pad=2),
    case("Conv", DATA.floats(1, 4, 8, 8), DATA.floats(3, 4, 3, 3), kernel=3, stride=2, pad=1, legacy_pad=3),
    case("Conv", DATA.floats(1, 7, 6, 4), DATA.floats(3, 3, 3, 4), DATA.floats(3), kernel=3, order="NHWC"),
    case("Conv1D", DATA.floats(1, 2, 9), DATA.floats(3, 2, 3), kernels=[3], strides=[2]),
    case("Conv2D", DATA.floats(1, 2, 5, 5), DATA.floats(3, 2, 2, 2), kernels=[2, 2]),
    case("Conv3D", DATA.floats(1, 2, 4, 4, 4), DATA.floats(3, 2, 2, 2, 2), kernels=[2, 2, 2]),
    case(
        "ConvTranspose",
        DATA.floats(1, 2, 4, 5),
        DATA.floats(2, 3, 3, 3),
        DATA.floats(3),
        kernel=3,
        stride=2,
        pad=1,
        adj=1,
    ),
    case(
        "ConvTranspose", DATA.floats(1, 4, 3, 5), DATA.floats(4, 2, 3, 3), DATA.floats(4), kernel=3, group=2, stride=2
    ),
    case("ConvTranspose", DATA.floats(1, 4, 5, 2), DATA.floats(2, 3, 3, 3), kernel=3, stride=2, order="NHWC"),
    *(case(kind, DATA.floats(2, 4, 7, 6), **arguments) for kind in ("MaxPool", "AveragePool") for arguments in _POOLS),
    *(
        case(f"{kind}{rank}D", DATA.floats(1, 2, *[6] * rank), kernels=[2] * rank, strides=[2] * rank)
        for kind in ("MaxPool", "AveragePool")
        for rank in (1, 2, 3)
    ),
    case("AveragePool", DATA.floats(2, 4, 7, 6), kernel=3, stride=2, pad=1, legacy_pad=3, count_include_pad=1),
    case("AveragePool", DATA.floats(1, 1, 8, 9), kernel=2, stride=3, legacy_pad=3),
    case("LpPool", DATA.floats(2, 2, 6, 7), kernel=2, stride=2),
    case("LpPool", DATA.floats(2, 2, 6, 7), kernel=2, p=3.0),
]
