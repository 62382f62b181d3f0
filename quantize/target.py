"""What an integer model is written for."""

from dataclasses import dataclass

from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.runtime_kernels import (
    FIRST_RELEASES,
    INTEGER_FORM,
    ONNX_RUNTIME,
    QDQ_FORM,
    UINT8_MAX,
    has_kernel,
)
from zoosmith.validation.runtimes.targets import Target as Runtime

FORMATS = ("integer", "qdq")
OLDEST_OPSET = 10
"""The first opset that has integer operators."""
CONTRIB_OPERATORS = ("MatMulIntegerToFloat", "Gelu", "DynamicQuantizeLSTM")
"""Operators of com.microsoft that may be written."""


@dataclass(frozen=True)
class Target:
    """The form of an integer model.

    Attributes:
        format: `integer` for operators of integers (QLinearConv, MatMulInteger), `qdq` for float operators between
            DequantizeLinear and QuantizeLinear, which TensorRT, OpenVINO and QNN read.
        symmetric: zero points of activations stand in the middle. Of `qdq` only, as the next two.
        signed: activations are int8 instead of uint8.
        reduce_range: weights of 7 bits, for processors whose 8-bit products saturate.
        contrib: operators of com.microsoft where they are faster: MatMulIntegerToFloat, Gelu, DynamicQuantizeLSTM. Of
            `integer` only; QLinearAdd, QLinearMul and QLinearSigmoid are what ONNX Runtime itself makes of the standard
            file.
        every_layer: all operators with weights become integers, even where float was measured faster. The format `qdq`
            does so always: it is for other runtimes than the one that was measured.
        runtime: the oldest release that the file is for: what that and newer ones have kernels of may be written, and
            nothing else. None for every release of ONNX Runtime that has integer operators. Those of com.microsoft are
            used with `contrib` only.
    """

    format: str = "integer"
    symmetric: bool = False
    signed: bool = False
    reduce_range: bool = False
    contrib: bool = False
    every_layer: bool = False
    runtime: Runtime | None = None

    @property
    def whole(self) -> bool:
        """Whether all operators with weights become integers."""
        return self.every_layer or self.format == "qdq"

    @property
    def thresholds(self) -> bool:
        """Whether uint8 values may be cut off by a Max."""
        return self.format == "integer" and self.runtime is not None and has_kernel(self.runtime, UINT8_MAX)

    @property
    def contrib_operators(self) -> tuple[str, ...]:
        """The operators of com.microsoft that may be written."""
        if not self.contrib:
            return ()
        return tuple(name for name in CONTRIB_OPERATORS if self.runtime is None or has_kernel(self.runtime, name))

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise QuantizeError(f"format {self.format!r}: expected one of {', '.join(FORMATS)}")
        if self.format == "integer" and (self.symmetric or self.signed or self.reduce_range):
            raise QuantizeError("symmetric or int8 activations and weights of 7 bits need the format qdq")
        if self.format == "qdq" and self.contrib:
            raise QuantizeError("the format qdq has no operators of com.microsoft")
        if self.runtime is not None:
            _refuse_too_old(self.runtime, self.format)


def _refuse_too_old(runtime: Runtime, form: str) -> None:
    """Raise QuantizeError where a runtime loads no file of this form."""
    if form == "integer" and runtime.name != ONNX_RUNTIME:
        raise QuantizeError(
            f"{runtime}: operators of integers are for {ONNX_RUNTIME}; expected the format qdq for others"
        )
    kernel = INTEGER_FORM if form == "integer" else QDQ_FORM
    if runtime.name == ONNX_RUNTIME and not has_kernel(runtime, kernel):
        raise QuantizeError(
            f"{runtime} does not run {kernel}; expected {ONNX_RUNTIME} {FIRST_RELEASES[kernel]} or later"
        )
    if runtime.opset < OLDEST_OPSET:
        raise QuantizeError(
            f"{runtime} takes opsets up to {runtime.opset}; integer operators begin with {OLDEST_OPSET}"
        )


INTEGER = Target()
"""Operators of integers from end to end, for every processor."""
