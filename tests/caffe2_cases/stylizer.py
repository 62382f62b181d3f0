"""The ends of style transfer nets."""

import numpy as np

from tests.caffe2_cases.case import Data, OperatorCase, case

DATA = Data(23)
MEAN = np.float32([104.5, 117, 123.25])
BYTES = DATA.integers(2, 11, 7, 4, high=256, dtype=np.uint8)


def noisy(seed: int, **arguments: object) -> OperatorCase:
    """A case whose operator draws its noise by a seed."""
    made = case("PackedInt8BGRANHWCToNCHWCStylizerPreprocess", BYTES, MEAN, **arguments)
    made.net.op[0].device_option.random_seed = seed
    return made


CASES = [
    case("PackedInt8BGRANHWCToNCHWCStylizerPreprocess", BYTES, MEAN, noise_std=0.0),
    case("PackedInt8BGRANHWCToNCHWCStylizerPreprocess", BYTES[:, :0], MEAN, noise_std=0.0),
    noisy(0),
    noisy(7, noise_std=2.5, noise_size=33),
    case("BRGNCHWCToPackedInt8BGRAStylizerDeprocess", DATA.floats(2, 3, 4, 5) * 150, MEAN),
    case(
        "BRGNCHWCToPackedInt8BGRAStylizerDeprocess",
        np.float32([-200, -104.5, -104, 0, 0.49, 0.99, 100, 150.5, 1e10]).reshape(1, 1, 3, 3).repeat(3, axis=1),
        MEAN,
    ),
]
