"""Move an ONNX model from any opset to any other, up or down, with its meaning kept."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
