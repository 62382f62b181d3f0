"""Turn an fp32 ONNX model into an integer one."""

from quantize.errors import QuantizeError

__all__ = ["QuantizeError"]
