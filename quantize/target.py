"""What an integer model is written for."""

from dataclasses import dataclass

from zoosmith.quantize.errors import QuantizeError

FORMATS = ("integer", "qdq")


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
    """

    format: str = "integer"
    symmetric: bool = False
    signed: bool = False
    reduce_range: bool = False
    contrib: bool = False
    every_layer: bool = False

    @property
    def whole(self) -> bool:
        """Whether all operators with weights become integers."""
        return self.every_layer or self.format == "qdq"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise QuantizeError(f"format {self.format!r}: expected one of {', '.join(FORMATS)}")
        if self.format == "integer" and (self.symmetric or self.signed or self.reduce_range):
            raise QuantizeError("symmetric or int8 activations and weights of 7 bits need the format qdq")
        if self.format == "qdq" and self.contrib:
            raise QuantizeError("the format qdq has no operators of com.microsoft")


INTEGER = Target()
"""Operators of integers from end to end, for every processor."""
