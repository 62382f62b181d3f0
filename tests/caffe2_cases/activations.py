"""Functions of each element, Dropout and Softmax."""

import numpy as np

from tests.caffe2_cases.case import Data, OperatorCase, case
from tests.validation.caffe2_nets import net_of

DATA = Data(1)
_ON_FRACTIONS = [
    "Acos",
    "Asin",
    "Atan",
    "Cbrt",
    "Elu",
    "Erf",
    "HardSigmoid",
    "LeakyRelu",
    "Log",
    "Log1p",
    "Logit",
    "Reciprocal",
    "Rsqrt",
    "Selu",
    "Sqrt",
    "Tan",
    "ThresholdedRelu",
]
_ON_ALL = [
    "Abs",
    "Ceil",
    "Clip",
    "Cos",
    "Cosh",
    "Cube",
    "Elu",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "LeakyRelu",
    "Negative",
    "Relu",
    "ReluN",
    "Scale",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softmax",
    "Softplus",
    "Softsign",
    "Sqr",
    "Swish",
    "Tanh",
    "ThresholdedRelu",
]


def probabilities(x: np.ndarray, labels: np.ndarray, **arguments: object) -> OperatorCase:
    """A loss of which only the softmax is wanted."""
    net = net_of(("SoftmaxWithLoss", "x labels", "p loss", arguments), inputs="x labels", outputs="p")
    return OperatorCase("SoftmaxWithLoss", net, {"x": x, "labels": labels})


CASES = [
    probabilities(DATA.floats(3, 4), np.int32([0, 1, 3])),
    probabilities(DATA.floats(3, 4, 2), np.int32([0, 1, 3]), scale=2.0),
    *(case(kind, DATA.fractions(2, 3, 4, 5)) for kind in _ON_FRACTIONS),
    *(case(kind, DATA.floats(2, 3, 4)) for kind in _ON_ALL),
    case("Mish", DATA.floats(3, 4)),
    case("Clip", DATA.floats(3, 4), min=-0.5, max=0.4),
    case("Clip", DATA.floats(3, 4), min=0.6, max=0.3),
    case("Gelu", DATA.floats(3, 4), fast_gelu=1),
    case("ReluN", DATA.floats(3, 4), n=0.5),
    case("Scale", DATA.floats(3, 4), scale=-2.5),
    case("LeakyRelu", DATA.floats(3, 4), alpha=0.3),
    case("ThresholdedRelu", DATA.floats(3, 4), alpha=0.4),
    case("Logit", np.float32([0, 1e-9, 0.5, 1]), eps=0.1),
    case("Softmax", DATA.floats(2, 3, 4), axis=2),
    case("Softmax", DATA.floats(2, 3, 4), axis=0),
    case("PRelu", DATA.floats(2, 3, 4, 4), DATA.floats(3)),
    case("PRelu", DATA.floats(2, 4, 4, 3), DATA.floats(3), order="NHWC"),
    case("PRelu", DATA.floats(2, 3, 4, 4), DATA.floats(1)),
    case("Dropout", DATA.floats(3, 4), is_test=1),
    case("Mod", np.int64([-5, 4, 7]), divisor=3),
    case("Mod", np.int64([-5, 4, 7]), divisor=-3, sign_follow_divisor=1),
    case("IsNaN", np.float32([1, np.nan, np.inf])),
    case("ReplaceNaN", np.float32([1, np.nan, 3]), value=2.5),
]
