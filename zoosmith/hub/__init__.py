"""Models of a zoo by name: listed, searched and downloaded from any tree with a hub manifest, as `onnx.hub` did."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
