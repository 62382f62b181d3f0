"""What every room asks of an ONNX model: read and write it, its opset, ports, constants, names and subgraphs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
