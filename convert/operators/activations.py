"""Functions of one tensor, element by element, and Softmax."""

import math

from onnx import TensorProto

from zoosmith.convert.graph import Attribute, Value
from zoosmith.convert.onnx_operators import cast, clip, flattened, is_nan, scalar
from zoosmith.convert.operator import Operator
from zoosmith.convert.registry import translator

# Caffe2's name -> ONNX's, where nothing else differs
_RENAMED = {
    "Abs": "Abs",
    "Ceil": "Ceil",
    "Exp": "Exp",
    "Floor": "Floor",
    "Log": "Log",
    "Negative": "Neg",
    "Not": "Not",
    "Reciprocal": "Reciprocal",
    "Sigmoid": "Sigmoid",
    "Softplus": "Softplus",
    "Softsign": "Softsign",
    "Sqrt": "Sqrt",
    "Tanh": "Tanh",
}
_SINCE_7 = ("Acos", "Asin", "Atan", "Cos", "Sin", "Tan")
_SINCE_9 = ("Cosh", "Erf", "Sinh")


@translator("Relu")
def relu(op: Operator) -> None:
    """Relu."""
    op.emit("Relu", op.inputs[0], to=0, like=op.inputs[0])


@translator(*_RENAMED)
def renamed(op: Operator) -> None:
    """Functions that ONNX has under the same or another name."""
    op.emit(_RENAMED[op.type], op.inputs[0], to=0, like=op.inputs[0])


@translator(*_SINCE_7, since=7)
@translator(*_SINCE_9, since=9)
def of_one_name(op: Operator) -> None:
    """Functions that both call by one name, and that ONNX got later."""
    op.emit(op.type, op.inputs[0], to=0, like=op.inputs[0])


@translator("Sign")
def sign(op: Operator) -> None:
    """Sign: -1, 0 or 1."""
    _sign(op, op.inputs[0], to=0)


def _sign(op: Operator, x: Value, *, to: int | None = None) -> Value:
    """Write Sign, which ONNX has had since opset 9: before, whether it is above 0 less whether it is below."""
    if op.opset >= 9:
        return op.emit("Sign", x, to=to, like=x)
    above, below = (cast(op, op.emit(way, x, scalar(op, 0, x)), x.elem_type) for way in ("Greater", "Less"))
    return op.emit("Sub", above, below, to=to)


@translator("Elu")
def elu(op: Operator) -> None:
    """Elu."""
    op.emit("Elu", op.inputs[0], to=0, alpha=op.number("alpha", 1.0))


@translator("LeakyRelu")
def leaky_relu(op: Operator) -> None:
    """LeakyRelu."""
    op.emit("LeakyRelu", op.inputs[0], to=0, alpha=op.number("alpha", 0.01))


@translator("Selu")
def selu(op: Operator) -> None:
    """Selu; Caffe2's scale is ONNX's gamma."""
    alpha, scale = op.number("alpha", 1.6732632423543772), op.number("scale", 1.0507009873554805)
    op.emit("Selu", op.inputs[0], to=0, alpha=alpha, gamma=scale)


@translator("HardSigmoid")
def hard_sigmoid(op: Operator) -> None:
    """HardSigmoid."""
    op.emit("HardSigmoid", op.inputs[0], to=0, alpha=op.number("alpha", 0.2), beta=op.number("beta", 0.5))


@translator("PRelu", inputs=2)
def prelu(op: Operator) -> None:
    """PRelu with one slope, or one for each channel."""
    x, slope = op.inputs
    if op.shape(slope) != (1,):
        channel = op.rank(x) - 1 if op.channels_last else 1
        slope = op.along_axis(slope, x, channel, "the slope")
    op.emit("PRelu", x, slope, to=0)


@translator("ThresholdedRelu")
def thresholded_relu(op: Operator) -> None:
    """ThresholdedRelu: x where x > alpha, else 0."""
    x = op.inputs[0]
    alpha = op.number("alpha", 1.0)
    if op.opset >= 10:
        op.emit("ThresholdedRelu", x, to=0, alpha=alpha)
    else:
        above = op.emit("Greater", x, scalar(op, alpha, x))
        op.emit("Mul", x, cast(op, above, x.elem_type), to=0)


@translator("Clip")
def clip_to_range(op: Operator) -> None:
    """Clip."""
    low = op.number("min") if op.has("min") else None
    high = op.number("max") if op.has("max") else None
    x = op.inputs[0]
    if low is not None and high is not None and low > high:
        op.require(8, "below it ONNX's Min and Max take operands of one shape")
        op.emit("Min", op.emit("Max", x, scalar(op, low, x)), scalar(op, high, x), to=0)
    else:
        clip(op, x, low, high, to=0)


@translator("ReluN")
def relu_n(op: Operator) -> None:
    """ReluN: clipped to [0, n]."""
    clip(op, op.inputs[0], 0.0, op.number("n", 6.0), to=0)


@translator("Scale")
def scale(op: Operator) -> None:
    """Scale: times a constant."""
    x = op.inputs[0]
    op.emit("Mul", x, scalar(op, op.number("scale", 1.0), x), to=0)


@translator("Sqr")
def sqr(op: Operator) -> None:
    """Sqr: the square."""
    op.emit("Mul", op.inputs[0], op.inputs[0], to=0)


@translator("Cube")
def cube(op: Operator) -> None:
    """Cube: the third power."""
    x = op.inputs[0]
    op.emit("Mul", op.emit("Mul", x, x), x, to=0)


@translator("Rsqrt")
def rsqrt(op: Operator) -> None:
    """Rsqrt: one over the square root."""
    op.emit("Reciprocal", op.emit("Sqrt", op.inputs[0]), to=0)


@translator("Cbrt")
def cbrt(op: Operator) -> None:
    """Cbrt: the cube root, of negative numbers too."""
    x = op.inputs[0]
    root = op.emit("Pow", op.emit("Abs", x), scalar(op, 1 / 3, x))
    op.emit("Mul", _sign(op, x), root, to=0)


@translator("Log1p")
def log1p(op: Operator) -> None:
    """Log1p: log(1 + x)."""
    x = op.inputs[0]
    op.emit("Log", op.emit("Add", x, scalar(op, 1.0, x)), to=0)


@translator("Swish")
def swish(op: Operator) -> None:
    """Swish: x times its sigmoid."""
    x = op.inputs[0]
    op.emit("Mul", x, op.emit("Sigmoid", x), to=0)


@translator("Mish")
def mish(op: Operator) -> None:
    """Mish: x times the tanh of its softplus."""
    x = op.inputs[0]
    op.emit("Mul", x, op.emit("Tanh", op.emit("Softplus", x)), to=0)


@translator("Logit")
def logit(op: Operator) -> None:
    """Logit: log(x / (1 - x)) of x kept eps away from 0 and 1."""
    x = op.inputs[0]
    eps = op.number("eps", 1e-6)
    inner = clip(op, x, eps, 1 - eps)
    op.emit("Log", op.emit("Div", inner, op.emit("Sub", scalar(op, 1.0, x), inner)), to=0)


@translator("Gelu")
def gelu(op: Operator) -> None:
    """Gelu: x times the normal distribution function, or with fast_gelu its approximation by tanh."""
    x = op.inputs[0]
    if op.flag("fast_gelu"):
        cubed = op.emit("Mul", op.emit("Mul", op.emit("Mul", x, x), x), scalar(op, 0.044715, x))
        inner = op.emit("Tanh", op.emit("Mul", op.emit("Add", x, cubed), scalar(op, math.sqrt(2 / math.pi), x)))
    else:
        op.require(9, "ONNX has had Erf since then")
        inner = op.emit("Erf", op.emit("Mul", x, scalar(op, math.sqrt(0.5), x)))
    half = op.emit("Mul", x, scalar(op, 0.5, x))
    op.emit("Mul", half, op.emit("Add", inner, scalar(op, 1.0, x)), to=0)


@translator("Mod", since=10)
def mod(op: Operator) -> None:
    """Mod of integers by a constant; the sign follows the dividend, or with sign_follow_divisor the divisor."""
    x = op.inputs[0]
    divisor = op.integer("divisor")
    if divisor == 0:
        op.refuse("argument divisor=0")
    op.emit("Mod", x, scalar(op, divisor, x), to=0, fmod=0 if op.flag("sign_follow_divisor") else 1)


@translator("IsNaN")
def nan_as_bytes(op: Operator) -> None:
    """IsNaN, as bytes."""
    cast(op, is_nan(op, op.inputs[0]), TensorProto.UINT8, to=0)


@translator("ReplaceNaN", since=9)
def replace_nan(op: Operator) -> None:
    """ReplaceNaN: NaN becomes a constant."""
    x = op.inputs[0]
    op.emit("Where", op.emit("IsNaN", x), scalar(op, op.number("value"), x), x, to=0)


@translator("Dropout")
def dropout(op: Operator) -> None:
    """Dropout of a trained net passes its input on; the mask is not computed."""
    x = op.inputs[0]
    if not op.flag("is_test"):
        op.refuse("argument is_test=0: it would drop at random")
    attributes: dict[str, Attribute] = {}
    if op.opset < 12:
        attributes["ratio"] = op.number("ratio", 0.5)
    if op.opset < 7:
        attributes["is_test"] = 1
    op.emit("Dropout", x, to=0, like=x, attributes=attributes)


@translator("SoftmaxWithLoss", inputs=(1, 2, 3))
def softmax_with_loss(op: Operator) -> None:
    """SoftmaxWithLoss: the probabilities; the loss is not computed."""
    softmax(op)


@translator("Softmax")
def softmax(op: Operator) -> None:
    """Softmax over all dimensions from `axis` on, flattened, as ONNX had it up to opset 12."""
    x = op.inputs[0]
    axis = op.integer("axis", 1)
    if op.opset < 13:
        default = axis == 1 and not op.has("axis")
        op.emit("Softmax", x, to=0, like=x, attributes={} if default else {"axis": op.axis(x, axis)})
    else:
        flattened(op, x, op.axis(x, axis), "Softmax")
