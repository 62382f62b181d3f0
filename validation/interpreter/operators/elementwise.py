"""Operators on each element by itself."""

import math
from collections.abc import Callable

import numpy as np

from zoosmith.convert.proto.caffe2_pb2 import TensorProto
from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.operators.fills import DTYPES
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import is_float, settled

_FLOAT32_MAX = float(np.finfo(np.float32).max)
_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x: np.ndarray) -> np.ndarray:
    """The error function."""
    return np.asarray(_erf(x), dtype=np.float64)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def softplus(x: np.ndarray) -> np.ndarray:
    """log(exp(x) + 1), infinite where exp(x) overflows float32, as in Caffe2."""
    return np.where(x > math.log(_FLOAT32_MAX), np.inf, np.logaddexp(x, 0.0))


def _unary(compute: Callable) -> Callable:
    return lambda op, x: compute(x)


_UNARY: dict[str, Callable] = {
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": sigmoid,
    "Tanh": np.tanh,
    "Abs": np.abs,
    "Negative": np.negative,
    "Exp": np.exp,
    "Log": np.log,
    "Log1p": np.log1p,
    "Sqrt": np.sqrt,
    "Rsqrt": lambda x: 1.0 / np.sqrt(x),
    "Reciprocal": lambda x: 1.0 / x,
    "Sqr": np.square,
    "Cube": lambda x: x * x * x,
    "Cbrt": np.cbrt,
    "Sin": np.sin,
    "Cos": np.cos,
    "Tan": np.tan,
    "Sinh": np.sinh,
    "Cosh": np.cosh,
    "Asin": np.arcsin,
    "Acos": np.arccos,
    "Atan": np.arctan,
    "Erf": erf,
    "Ceil": lambda x: np.ceil(settled(x)),
    "Floor": lambda x: np.floor(settled(x)),
    "Sign": np.sign,
    "Softplus": softplus,
    "Softsign": lambda x: x / (1.0 + np.abs(x)),
    "Swish": lambda x: x * sigmoid(x),
    "Mish": lambda x: x * np.tanh(np.logaddexp(x, 0.0)),
    "Not": np.logical_not,
    "IsNaN": lambda x: np.isnan(x).astype(np.uint8),
    "Copy": lambda x: x,
    "StopGradient": lambda x: x,
    "EnsureCPUOutput": lambda x: x,
    "EnsureDense": lambda x: x,
    "CopyFromCPUInput": lambda x: x,
    "CopyCPUToGPU": lambda x: x,
    "CopyGPUToCPU": lambda x: x,
}

for _type, _compute in _UNARY.items():
    operator(_type, rows="first")(_unary(_compute))


@operator("Alias", "AliasWithName", shares=True)
def alias(op: Operator, x: np.ndarray) -> np.ndarray:
    """The input itself: both names stand for the same memory."""
    return x


@operator("ReluN")
def relu_n(op: Operator, x: np.ndarray) -> np.ndarray:
    """min(max(x, 0), n), n = 6 by default."""
    return np.minimum(np.maximum(x, 0.0), op.number("n", 6.0))


@operator("LeakyRelu")
def leaky_relu(op: Operator, x: np.ndarray) -> np.ndarray:
    """x, times `alpha` (default 0.01) where negative."""
    return np.where(x >= 0, x, x * op.number("alpha", float(np.float32(0.01))))


@operator("Elu")
def elu(op: Operator, x: np.ndarray) -> np.ndarray:
    """x, alpha * (exp(x) - 1) where negative."""
    return np.where(x >= 0, x, op.number("alpha", 1.0) * np.expm1(np.minimum(x, 0.0)))


@operator("Selu")
def selu(op: Operator, x: np.ndarray) -> np.ndarray:
    """Scale * elu(x)."""
    alpha = op.number("alpha", float(np.float32(1.6732632423543772848170429916717)))
    scale = op.number("scale", float(np.float32(1.0507009873554804934193349852946)))
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


@operator("ThresholdedRelu")
def thresholded_relu(op: Operator, x: np.ndarray) -> np.ndarray:
    """x where larger than `alpha` (default 1), else 0."""
    return np.where(settled(x) > op.number("alpha", 1.0), x, 0.0)


@operator("HardSigmoid")
def hard_sigmoid(op: Operator, x: np.ndarray) -> np.ndarray:
    """alpha * x + beta (0.2, 0.5 by default), kept in [0, 1]."""
    alpha, beta = op.number("alpha", float(np.float32(0.2))), op.number("beta", 0.5)
    return np.clip(alpha * x + beta, 0.0, 1.0)


@operator("Gelu")
def gelu(op: Operator, x: np.ndarray) -> np.ndarray:
    """x times the normal distribution's cumulative probability; `fast_gelu=1` is the approximation by tanh."""
    if op.flag("fast_gelu"):
        return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2.0)))


@operator("Clip")
def clip(op: Operator, x: np.ndarray) -> np.ndarray:
    """x kept between `min` and `max`, each of which may be absent."""
    return np.minimum(np.maximum(x, op.number("min", -_FLOAT32_MAX)), op.number("max", _FLOAT32_MAX))


@operator("Logit")
def logit(op: Operator, x: np.ndarray) -> np.ndarray:
    """log(x / (1 - x)), x kept `eps` (default 1e-6) inside of (0, 1)."""
    eps = op.number("eps", float(np.float32(1e-6)))
    inside = np.clip(x, eps, 1.0 - eps)
    return np.log(inside / (1.0 - inside))


@operator("Scale")
def scale(op: Operator, x: np.ndarray) -> np.ndarray:
    """x times the argument `scale` (default 1)."""
    return x * op.number("scale", 1.0)


@operator("Mod")
def modulo(op: Operator, x: np.ndarray) -> np.ndarray:
    """Remainder by `divisor`, with the sign of x, or with `sign_follow_divisor` that of the divisor."""
    divisor = x.dtype.type(op.integer("divisor"))
    if divisor == 0:
        raise op.error("divisor is 0")
    return np.mod(x, divisor) if op.flag("sign_follow_divisor") else np.fmod(x, divisor)


@operator("ReplaceNaN")
def replace_nan(op: Operator, x: np.ndarray) -> np.ndarray:
    """x with `value` (default 0) in place of each NaN."""
    return np.where(np.isnan(x), op.number("value", 0.0), x)


@operator("PRelu")
def prelu(op: Operator, x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """x, times the slope where negative: one for all, or one per channel."""
    if slope.size != 1:
        channel = x.ndim - 1 if op.channels_last else 1
        if slope.shape != (x.shape[channel],):
            raise op.error(f"slope {slope.shape} does not fit the {x.shape[channel]} channels of {x.shape}")
        slope = slope.reshape([-1 if n == channel else 1 for n in range(x.ndim)])
    else:
        slope = slope.reshape(())
    return np.where(x > 0, x, x * slope)


@operator("Dropout")
def dropout(op: Operator, x: np.ndarray) -> tuple[np.ndarray, None]:
    """The identity; the mask is not written. Training, which is random, is refused."""
    if not op.flag("is_test"):
        raise op.error("drops at random without is_test=1; an inference net has is_test=1")
    return x, None


@operator("Glu")
def glu(op: Operator, x: np.ndarray) -> np.ndarray:
    """The first half along `dim` (default: the last), times the sigmoid of the second."""
    values, gates = np.split(x, 2, op.axis(x.ndim, -1, "dim"))
    return values * sigmoid(gates)


@operator("NanCheck", "EnforceFinite")
def enforce_finite(op: Operator, x: np.ndarray, *shown: np.ndarray) -> np.ndarray:
    """The identity; refuses NaN and infinity."""
    if not np.all(np.isfinite(x)):
        raise op.error("its input holds NaN or infinity")
    return x


@operator("Print")
def print_(op: Operator, x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Nothing: the operator only prints the blob."""
    return ()


@operator("FloatToHalf")
def float_to_half(op: Operator, x: np.ndarray) -> np.ndarray:
    """float32 to float16, to the nearest."""
    return x.astype(np.float32).astype(np.float16)


@operator("HalfToFloat")
def half_to_float(op: Operator, x: np.ndarray) -> np.ndarray:
    """float16 to float32."""
    return x.astype(np.float64)


@operator("Cast")
def cast(op: Operator, x: np.ndarray) -> np.ndarray:
    """To the type `to`, given by number or by name; floats are truncated toward zero."""
    to = _target_type(op)
    op.double = to == TensorProto.DOUBLE
    return converted(x, DTYPES[to])


def _target_type(op: Operator) -> int:
    if op.arguments.get("to") is not None and op.arguments["to"].HasField("s"):
        name = op.text("to").upper()
        to = dict(TensorProto.DataType.items()).get(name, TensorProto.UNDEFINED)
    else:
        to = op.integer("to", TensorProto.FLOAT)
    # BYTE is an older name of UINT8.
    to = TensorProto.UINT8 if to == TensorProto.BYTE else to
    if to not in DTYPES:
        raise op.error(f"casting to type {op.text('to') if op.arguments['to'].HasField('s') else to} is not supported")
    return to


def converted(x: np.ndarray, dtype: type) -> np.ndarray:
    """The array with C++'s conversions; floats outside of an integer's range as x86 converts them."""
    if dtype in {np.float32, np.float64}:
        return x.astype(np.float64)
    if dtype is np.bool_:
        return x != 0
    if is_float(x):
        wide = np.int64 if dtype is np.int64 else np.int32
        limits = np.iinfo(wide)
        x = np.trunc(settled(x))
        inside = (x >= float(limits.min)) & (x < float(limits.max))
        x = np.where(inside, x, 0.0).astype(wide) + np.where(inside, 0, limits.min).astype(wide)
    return x.astype(dtype)
