"""Move an ONNX model from any opset to any other, up or down, with its meaning kept."""

from opset_upgrade.errors import OpsetError

__all__ = ["OpsetError"]
